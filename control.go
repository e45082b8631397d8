package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"usher/auth"
	"usher/session"
)

// askRunning asks the Usher that serves on this machine, by the secret that both
// have. An answer is the one that was asked for. syscall.ECONNREFUSED: none serves.
func askRunning(ctx context.Context, set settings, c auth.Control) (*http.Response, error) {
	if err := set.readSecret(); err != nil {
		return nil, err
	}
	keys, err := session.NewKeys(set.secrets...)
	if err != nil {
		return nil, fmt.Errorf("USHER_SECRET: %w", err)
	}
	sealed, err := auth.ControlSealer(keys).Seal(c)
	if err != nil {
		return nil, errors.New("that is too long to be asked about")
	}
	address, err := ownAddress(set.listen)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+auth.ControlPath, strings.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	var answer struct{ Error string }
	switch err := json.NewDecoder(io.LimitReader(resp.Body, maxFile)).Decode(&answer); {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("what listens at %s is no Usher with this secret: use the environment and the data folder of the one that serves, in a container by docker exec", address)
	case err != nil || answer.Error == "":
		return nil, fmt.Errorf("the answer of %s cannot be read: %s", address, resp.Status)
	}
	return nil, errors.New(answer.Error)
}
