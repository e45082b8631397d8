package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"usher/auth"
	"usher/desk"
	"usher/session"
)

// storedToken stands for a token that another process has and does not tell.
const storedToken = "stored"

// findSetup is what set-up has stored, of which a token is only told to be
// there. Where an Usher serves it is asked, for it has the store open.
func findSetup(ctx context.Context, set settings) (desk.Setup, error) {
	if _, err := os.Stat(set.dataFile("usher.db")); err != nil {
		return desk.Setup{}, nil // never started
	}
	if err := set.readSecret(); err != nil {
		return desk.Setup{}, err
	}
	keys, err := session.NewKeys(set.secrets...)
	if err != nil {
		return desk.Setup{}, err
	}
	text, err := session.Peek(set.dataFile("usher.db"), keys, setupSetting)
	if err == nil {
		return desk.Decode(text)
	}
	if !errors.Is(err, session.ErrLocked) {
		return desk.Setup{}, err
	}
	reply, err := set.tellRunning(ctx, desk.Command{})
	if err != nil {
		return desk.Setup{}, err
	}
	if reply.Token {
		reply.Stored.Token = storedToken
	}
	return reply.Stored, nil
}

// tellRunning has the Usher that listens on this machine carry out a command.
// Where none listens the error is ECONNREFUSED.
func (s settings) tellRunning(ctx context.Context, c desk.Command) (reply desk.Reply, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return reply, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := askRunning(ctx, s, auth.Control{SetUp: text})
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFile)).Decode(&reply); err != nil {
		return reply, errors.New("the answer of the Usher that serves cannot be read")
	}
	return reply, nil
}

// isSilent reports whether nobody listens there.
func isSilent(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
