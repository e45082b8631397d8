package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/auth"
	"usher/backup"
	"usher/plex/plextest"
	"usher/session"
)

// filesOf is what is in a data folder, by name.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			all[e.Name()] = fileOf(t, dir, e.Name())
		} else {
			all[e.Name()] = e.Type().String()
		}
	}
	return all
}

// with is env with other values.
func with(env []string, more ...string) []string {
	return append(slices.Clone(env), more...) // the last counts
}

// stopped is a data folder of an Usher that has run and was stopped.
func stopped(t *testing.T, env []string, address string) {
	t.Helper()
	p := start(t, env)
	p.await(address+"/healthz", http.StatusOK)
	p.cmd.Process.Signal(syscall.SIGTERM)
	if p.exit() != 0 {
		t.Fatal("usher did not end well")
	}
}

func TestBackupRefuses(t *testing.T) {
	dir, listen := t.TempDir(), freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen}
	out := t.TempDir()
	fresh := filepath.Join(out, "new.tar")
	want := func(env []string, code int, says string, args ...string) {
		t.Helper()
		before := filesOf(t, out)
		data := filesOf(t, dir)
		got, stdout, errOut := run1(t, env, append([]string{"backup"}, args...)...)
		if got != code || stdout != "" || !strings.Contains(errOut, says) {
			t.Errorf("usher backup %q: exit %d, %q%q; want %d, %q", args, got, stdout, errOut, code, says)
		}
		if !maps.Equal(before, filesOf(t, out)) || !maps.Equal(data, filesOf(t, dir)) {
			t.Errorf("usher backup %q changed files", args)
		}
	}
	want(env, 1, "there is no store", fresh)
	stopped(t, env, "http://"+listen)
	write(t, filepath.Join(out, "there.tar"), "somebody's own")
	if err := errors.Join(os.Mkdir(filepath.Join(out, "folder"), 0o700), syscall.Mkfifo(filepath.Join(out, "pipe"), 0o600), os.Symlink(filepath.Join(dir, "usher.db"), filepath.Join(out, "link"))); err != nil {
		t.Fatal(err)
	}
	want(env, 2, "usher backup [--force] FILE, or -")
	want(env, 2, "usher backup [--force] FILE, or -", fresh, fresh)
	want(env, 2, "usher backup [--force] FILE, or -", "--forse", fresh)
	want(env, 1, "--force", filepath.Join(out, "there.tar"))
	want(env, 1, "no such file", filepath.Join(out, "absent", "b.tar"))
	for _, name := range []string{"folder", "pipe", "link"} {
		want(env, 1, "no plain file", filepath.Join(out, name))
		want(env, 1, "no plain file", "--force", filepath.Join(out, name))
	}
	for _, name := range []string{"usher.db", "secret", "client-id", "doctor-word"} {
		want(env, 1, "Usher's own", "--force", filepath.Join(dir, name))
	}
	want(with(env, "USHER_SECRET=short"), 2, "USHER_SECRET", fresh)
	if os.Getuid() == 0 {
		if text, err := asSomebodyElse(t, env, "backup", fresh); err == nil || !strings.Contains(text, "permission denied") {
			t.Errorf("by somebody else: %v, %s", err, text)
		}
	}

	// Somebody else's secret, while Usher serves.
	p := start(t, env)
	p.await("http://"+listen+"/healthz", http.StatusOK)
	want(with(env, "USHER_SECRET="+testSecret), 1, "no Usher with this secret", fresh)
	want(with(env, "USHER_LISTEN="+freeAddress(t)), 1, "USHER_LISTEN", fresh)
	p.cmd.Process.Kill()
	p.exit()

	// Another version's store.
	store := filepath.Join(dir, "usher.db")
	db, err := bbolt.Open(store, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("usher")).Put([]byte("schema"), []byte("4")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	want(env, 1, "newer Usher", fresh)
	write(t, store, "damaged")
	want(env, 1, "damaged", fresh)
}

// The whole way: a backup of a running Usher, put back elsewhere, keeps people signed in.
func TestBackupAndRestore(t *testing.T) {
	stand := plextest.Start(t)
	env, usher := house(t, stand)
	dir := strings.TrimPrefix(env[1], "USHER_DATA_DIR=")
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	p.awaitLog("plex.tv shows the owner's view")
	casey := signIn(t, stand, usher, "casey")
	if res, _ := casey.check(t, "http://app.home.localhost/"); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	code, out, errOut := run1(t, env, "backup", file)
	if code != 0 || errOut != "" || !strings.Contains(out, "sessions: 1") || !strings.Contains(out, "whoever has this file") || !strings.Contains(out, "USHER_CLIENT_ID") {
		t.Fatalf("exit %d, %s%s", code, out, errOut)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	code, again, errOut := run1(t, env, "backup", "-")
	if code != 0 || len(again) < 20_000 || !strings.Contains(errOut, "whoever has this file") {
		t.Errorf("to the standard output: exit %d, %d bytes, %s", code, len(again), errOut)
	}
	if code, _, errOut := run1(t, env, "backup", "--force", file); code != 0 {
		t.Errorf("once more: exit %d, %s", code, errOut)
	}

	// Signed out since: what is put back does not know it, and says so.
	code, out, errOut = run1(t, env, "restore", file)
	if code != 1 || out != "" || !strings.Contains(errOut, "stop it, restore, and start it again") {
		t.Errorf("while Usher runs: exit %d, %s%s", code, out, errOut)
	}
	if res, _ := casey.check(t, "http://app.home.localhost/"); res.StatusCode != http.StatusOK {
		t.Error("the refused restore disturbed the Usher that runs")
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit()
	before := filesOf(t, dir)
	fromFile := filepath.Join(t.TempDir(), "stopped.tar")
	if code, _, errOut := run1(t, env, "backup", fromFile); code != 0 {
		t.Errorf("of a stopped Usher: exit %d, %s", code, errOut)
	}
	if !maps.Equal(before, filesOf(t, dir)) {
		t.Error("a backup of a stopped Usher changed its data folder")
	}

	// Elsewhere, from a pipe.
	elsewhere := filepath.Join(t.TempDir(), "new", "data")
	env = with(env, "USHER_DATA_DIR="+elsewhere)
	cmd := exec.Command(os.Args[0], "restore", "-")
	cmd.Env = with(env, "RUN_AS_USHER=1")
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdin = in
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "Restored: ") || !strings.Contains(string(text), "signed out") {
		t.Fatalf("%v, %s", err, text)
	}
	p = start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	if res, body := casey.check(t, "http://app.home.localhost/"); res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != "casey" {
		t.Errorf("after the restore: %s, %s", res.Status, body)
	}
	for name, mode := range map[string]os.FileMode{"usher.db": 0o600, "secret": 0o600} {
		if info, err := os.Stat(filepath.Join(elsewhere, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// With the secret in the environment a backup holds none, and fits only there.
func TestBackupWithASecretOfTheEnvironment(t *testing.T) {
	dir, listen := t.TempDir(), freeAddress(t)
	bare := []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen}
	env := with(bare, "USHER_SECRET="+testSecret)
	stopped(t, env, "http://"+listen)
	file := filepath.Join(t.TempDir(), "b.tar")
	if code, out, errOut := run1(t, env, "backup", file); code != 0 || !strings.Contains(out, "does not hold the secret") {
		t.Fatalf("exit %d, %s%s", code, out, errOut)
	}
	if b := fileOf(t, filepath.Dir(file), "b.tar"); strings.Contains(b, testSecret) {
		t.Error("the secret is in it")
	}
	empty := "USHER_DATA_DIR=" + t.TempDir()
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		says string
	}{
		"no secret here":         {with(bare, empty), []string{file}, 1, "set the same here"},
		"another secret":         {with(env, empty, "USHER_SECRET="+testSecret+"-2"), []string{file}, 1, "USHER_SECRET; set the same here"},
		"another one, on demand": {with(env, empty, "USHER_SECRET="+testSecret+"-2"), []string{"--other-secret", file}, 0, "Restored"},
		"the same":               {with(env, empty), []string{file}, 0, "Restored"},
		"a new one in front":     {with(env, empty, "USHER_SECRET="+testSecret+"-2,"+testSecret), []string{file}, 0, "Restored"},
	} {
		if code, out, errOut := run1(t, c.env, append([]string{"restore"}, c.args...)...); code != c.code || !strings.Contains(out+errOut, c.says) {
			t.Errorf("%s: exit %d, %s%s", name, code, out, errOut)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir, listen := t.TempDir(), freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen}
	stopped(t, env, "http://"+listen)
	in := t.TempDir()
	pipe := filepath.Join(in, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(in, "text"), strings.Repeat("no backup\n", 1000))
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "usher restore [--other-secret] FILE, or -", nil},
		{2, "usher restore [--other-secret] FILE, or -", []string{"a", "b"}},
		{1, "no such file", []string{filepath.Join(in, "absent")}},
		{1, "no plain file", []string{in}},
		{1, "no plain file", []string{pipe}},
		{1, "no plain file", []string{os.DevNull}},
		{1, "it is no backup", []string{filepath.Join(in, "text")}},
		{1, "it is no backup", []string{filepath.Join(dir, "usher.db")}},
		{1, "it is no backup", []string{"-"}}, // the test's standard input is empty
	} {
		before := filesOf(t, dir)
		if code, out, errOut := run1(t, env, append([]string{"restore"}, c.args...)...); code != c.code || out != "" || !strings.Contains(errOut, c.says) {
			t.Errorf("usher restore %q: exit %d, %s%s", c.args, code, out, errOut)
		}
		if !maps.Equal(before, filesOf(t, dir)) {
			t.Errorf("usher restore %q changed the data folder", c.args)
		}
	}
}

// A kill -9 at any moment of a restore leaves what was there or what was put back,
// each complete, and Usher starts with either.
func TestKillWhileRestoring(t *testing.T) {
	listen := freeAddress(t)
	env := func(dir string) []string {
		return []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen, "GORACE=atexit_sleep_ms=0"}
	}
	a, b := t.TempDir(), t.TempDir()
	stopped(t, env(a), "http://"+listen)
	stopped(t, env(b), "http://"+listen)
	grow(t, filepath.Join(a, "usher.db"), 2000)
	file := filepath.Join(t.TempDir(), "b.tar")
	if code, _, errOut := run1(t, env(a), "backup", file); code != 0 {
		t.Fatal(errOut)
	}
	news, olds := filesOf(t, a), filesOf(t, b)
	var whole time.Duration
	var untouched, finished, cutOff int
	const rounds = 24
	for round := range rounds + 1 {
		dir := t.TempDir()
		for name, content := range olds {
			write(t, filepath.Join(dir, name), content)
		}
		p := start(t, env(dir), "restore", file)
		for begun := false; !begun; {
			_, err := os.Lstat(filepath.Join(dir, ".restoring"))
			begun = err == nil
			select {
			case <-p.done:
				t.Fatal("it was over before it was seen")
			default:
			}
		}
		began := time.Now()
		switch {
		case round == 0:
			p.exit()
			whole = time.Since(began)
		case round%2 == 0: // each moment in turn
			time.Sleep(whole * time.Duration(round) / rounds)
		default: // as soon as it is decided
			for decided := ""; decided == "" && time.Since(began) < 5*whole; {
				decided, _ = backup.Decided(dir)
			}
			time.Sleep(time.Duration(round) * 20 * time.Microsecond)
		}
		p.cmd.Process.Kill()
		p.exit()
		if decided, err := backup.Decided(dir); err != nil {
			t.Fatal(err)
		} else if decided != "" {
			cutOff++
		}
		serve := start(t, env(dir))
		serve.await("http://"+listen+"/healthz", http.StatusOK)
		serve.cmd.Process.Kill()
		serve.exit()
		now := filesOf(t, dir)
		state := "neither"
		for name, files := range map[string]map[string]string{"old": olds, "new": news} {
			if now["secret"] == files["secret"] && now["client-id"] == files["client-id"] && answersOf(t, filepath.Join(dir, "usher.db")) == map[string]int{"new": 2000}[name] {
				state = name
			}
		}
		switch state {
		case "neither":
			t.Errorf("round %d: half and half", round)
		case "old":
			untouched++
			if len(now) != 3 {
				t.Errorf("round %d: left %q", round, slices.Collect(maps.Keys(now)))
			}
		case "new":
			finished++
			kept := 0
			for name, content := range now {
				if base, _, ok := strings.Cut(name, ".before-restore-"); ok && content == olds[base] {
					kept++
				}
			}
			if kept != 3 || len(now) != 6 {
				t.Errorf("round %d: what was there is not kept whole: %q", round, slices.Collect(maps.Keys(now)))
			}
		}
	}
	t.Logf("old %d, new %d times, %d of them finished by the next start", untouched, finished, cutOff)
	if untouched == 0 || finished == 0 {
		t.Error("no kill came in the middle")
	}
}

// grow puts answers about so many people into a store, and keys of as many.
func grow(t *testing.T, path string, people int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := bytes.Repeat([]byte("a"), 400)
	err = db.Update(func(tx *bbolt.Tx) error {
		for i := range people {
			hash := fmt.Sprintf("%032d", i)
			key := fmt.Sprintf(`{"id":"K%d","account":%d,"name":"phone","hosts":["app.example.com"],"made":"%s","ends":"%s","last_used":"0001-01-01T00:00:00Z","last_address":"","all":false}`,
				i, 80000000+i, time.Now().UTC().Format(time.RFC3339), time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))
			if err := errors.Join(tx.Bucket([]byte("answers")).Put(fmt.Appendf(nil, "%08d", i), answer), tx.Bucket([]byte("keys")).Put([]byte(hash), []byte(key))); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// answersOf counts the answers that a store holds.
func answersOf(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error { n = tx.Bucket([]byte("answers")).Stats().KeyN; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// Usher does not start between a restore that begins and its end, and finishes one
// that was cut off before it reads anything.
func TestServeFinishesARestore(t *testing.T) {
	dir, listen := t.TempDir(), freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen}
	stopped(t, env, "http://"+listen)
	decided := filepath.Join(dir, ".restore-20260102T030405.678Z")
	if err := os.Mkdir(decided, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(decided, "secret"), strings.Repeat("0123456789abcdef", 4)+"\n")
	if code, _, errOut := run1(t, env, "backup", filepath.Join(t.TempDir(), "b.tar")); code != 1 || !strings.Contains(errOut, "cut off") {
		t.Errorf("a backup of what is half restored: exit %d, %s", code, errOut)
	}
	lock, err := session.Lock(filepath.Join(dir, "usher.db"), 0)
	if err != nil {
		t.Fatal(err)
	}
	before := fileOf(t, dir, "secret")
	if code, _, errOut := run1(t, env); code != 1 || !strings.Contains(errOut, "in use") || fileOf(t, dir, "secret") != before {
		t.Errorf("a start beside a restore: exit %d, %s", code, errOut)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	p := start(t, env)
	p.await("http://"+listen+"/healthz", http.StatusOK)
	p.awaitLog("a restore that was cut off is finished")
	if now := fileOf(t, dir, "secret"); !strings.HasPrefix(now, "0123456789abcdef") {
		t.Error("the secret is not the one that was restored")
	}
	if kept := fileOf(t, dir, "secret.before-restore-20260102T030405.678Z"); kept != before {
		t.Error("the secret that was there is lost")
	}
}

// asked posts to the address where commands ask.
func asked(t *testing.T, usher, secret string, header map[string]string) *http.Response {
	t.Helper()
	keys, err := session.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := auth.ControlSealer(keys).Seal(auth.Control{Backup: true})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, usher+auth.ControlPath, strings.NewReader(sealed))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestBackupIsForThisMachine(t *testing.T) {
	stand := plextest.Start(t)
	env, usher := house(t, stand, "USHER_SECRET="+testSecret)
	dir := strings.TrimPrefix(env[1], "USHER_DATA_DIR=")
	stopped(t, env, usher)
	grow(t, filepath.Join(dir, "usher.db"), 15_000) // more than sockets hold
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	for name, c := range map[string]struct {
		secret string
		header map[string]string
	}{
		"another secret":          {testSecret + "-2", nil},
		"through Traefik":         {testSecret, map[string]string{"X-Forwarded-For": "203.0.113.7"}},
		"through Traefik, by us":  {testSecret, map[string]string{"X-Forwarded-For": "127.0.0.1"}},
		"through nginx":           {testSecret, map[string]string{"X-Real-Ip": "127.0.0.1"}},
		"through a modern proxy":  {testSecret, map[string]string{"Forwarded": "for=127.0.0.1"}},
		"through a caching proxy": {testSecret, map[string]string{"Via": "1.1 cache"}},
	} {
		if res := asked(t, usher, c.secret, c.header); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, res.Status)
		}
	}

	// One that nobody reads hinders the next backup, and nobody else.
	slow := asked(t, usher, testSecret, nil)
	if slow.StatusCode != http.StatusOK {
		t.Fatal(slow.Status)
	}
	if res := asked(t, usher, testSecret, nil); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(read(t, res.Body), "another backup") {
		t.Errorf("a second: %s", res.Status)
	}
	if res, _ := signIn(t, stand, usher, "casey").check(t, "http://app.home.localhost/"); res.StatusCode != http.StatusOK {
		t.Errorf("a sign-in meanwhile: %s", res.Status)
	}
	n, err := io.Copy(io.Discard, slow.Body)
	if err != nil || n != slow.ContentLength || n < 10<<20 {
		t.Errorf("%d bytes of %d, %v", n, slow.ContentLength, err)
	}
	for _, left := range slices.Sorted(maps.Keys(filesOf(t, dir))) {
		if strings.HasPrefix(left, ".") {
			t.Errorf("%s is left in the data folder", left)
		}
	}
}

// Checks go on while a backup of a large store is made.
func TestChecksDuringABackup(t *testing.T) {
	stand := plextest.Start(t)
	env, usher := house(t, stand, "USHER_LOG_LEVEL=info")
	dir := strings.TrimPrefix(env[1], "USHER_DATA_DIR=")
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	p.awaitLog("plex.tv shows the owner's view")
	casey := signIn(t, stand, usher, "casey")
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit()
	people := 100_000
	if raceEnabled {
		people /= 10 // the race detector would be measured with it
	}
	grow(t, filepath.Join(dir, "usher.db"), people)
	p = start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	checks := func(until <-chan struct{}) (all []time.Duration) {
		for {
			select {
			case <-until:
				slices.Sort(all)
				return all
			default:
			}
			began := time.Now()
			if res, _ := casey.check(t, "http://app.home.localhost/"); res.StatusCode != http.StatusOK {
				t.Fatal(res.Status)
			}
			all = append(all, time.Since(began))
		}
	}
	after, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	calm := checks(after.Done())
	file := filepath.Join(t.TempDir(), "b.tar")
	began := time.Now()
	b := start(t, env, "backup", file)
	busy := checks(b.done)
	took := time.Since(began)
	if b.exit() != 0 {
		t.Fatal("the backup failed")
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	at := func(all []time.Duration, part float64) time.Duration { return all[int(part*float64(len(all)-1))] }
	t.Logf("a backup of %d bytes took %v; checks before and meanwhile: %d and %d; median %v, %v; 99th of 100 %v, %v; slowest %v, %v", info.Size(), took,
		len(calm), len(busy), at(calm, 0.5), at(busy, 0.5), at(calm, 0.99), at(busy, 0.99), at(calm, 1), at(busy, 1))
	if at(busy, 0.99) > 500*time.Millisecond {
		t.Errorf("one check in 100 took more than %v", at(busy, 0.99))
	}
}
