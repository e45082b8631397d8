package auth

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"usher/session"
)

// ControlPath is where commands ask the Usher that serves on their machine. Only a
// request that was sealed with its secret is answered, and none that came through a
// proxy; to everybody else there is no page.
const ControlPath = "/control"

// Control is what a command asks for: one of these.
type Control struct {
	Explain *Question
	Backup  bool            // a copy of the store, as its file
	SetUp   json.RawMessage // for [Config.SetUp]
}

// ControlSealer seals requests of commands, for a minute each.
func ControlSealer(keys session.Keys) *session.Sealer { return keys.Sealer("control", time.Minute) }

// backupTime is how long a copy of the store may take to hand over.
const backupTime = 10 * time.Minute

// serveControl answers the commands of this machine.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	var c Control
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil || !fromHere(r) || s.control.Open(string(text), &c) != nil {
		s.notFound(w, r)
		return
	}
	switch {
	case c.Explain != nil:
		s.serveExplain(w, *c.Explain)
	case c.Backup:
		s.serveBackup(w, r)
	case c.SetUp != nil && s.cfg.SetUp != nil:
		answer, err := s.cfg.SetUp(r.Context(), c.SetUp)
		if err != nil {
			writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, answer)
	default:
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": "the Usher that serves is of another version and does not know this command"})
	}
}

// fromHere reports whether a program of this machine asks by itself. A proxy on it
// would not: what it forwards says so, and the secret stays the lock in any case.
func fromHere(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	from := peer(r)
	if from.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(interface{ AddrPort() netip.AddrPort })
	return ok && from.IsValid() && local.AddrPort().Addr().Unmap().WithZone("") == from
}

// serveBackup hands out a copy of the store, to one command at a time. Whoever reads
// slowly keeps nobody waiting but the next who wants one.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !s.copying.TryLock() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "another backup is being made: try again when it is done"})
		return
	}
	defer s.copying.Unlock()
	file, err := s.cfg.Store.Snapshot()
	if err != nil {
		s.log.Error("a backup could not be made", "problem", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(backupTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Warn("a backup may be cut off by the time limit of answers", "problem", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	n, err := io.Copy(w, file)
	if err != nil {
		s.log.Warn("a backup was not taken to its end", "bytes", n, "problem", err)
		return
	}
	s.log.Info("a copy of the store was given to usher backup", "bytes", n)
}
