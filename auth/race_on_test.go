//go:build race

package auth_test

// raceDetector: its bookkeeping allocates, so that counts mean nothing.
const raceDetector = true
