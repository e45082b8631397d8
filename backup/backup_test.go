package backup_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"usher/backup"
	"usher/session"
)

const (
	secretA = "test-secret-aaaa-0123456789-abcdefgh"
	secretB = "test-secret-bbbb-9876543210-hgfedcba"
	casey   = 70010001
)

func keysOf(t testing.TB, secret string) session.Keys {
	t.Helper()
	keys, err := session.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// installation is a data folder in which casey is signed in on so many devices.
func installation(t testing.TB, secret, clientID string, devices int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	store, err := session.Open(filepath.Join(dir, backup.Store), keysOf(t, secret), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range devices {
		if _, err := store.Begin(session.Session{Account: casey, Audience: "example.com", Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(store.SaveToken(casey, "test-token-casey"), store.Close(),
		os.WriteFile(filepath.Join(dir, backup.Secret), []byte(secret+"\n"), 0o600), os.WriteFile(filepath.Join(dir, backup.ClientID), []byte(clientID+"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// backupOf is a backup of a data folder; change may leave something out.
func backupOf(t testing.TB, dir, secret string, change func(*backup.Source)) []byte {
	t.Helper()
	store, err := os.Open(filepath.Join(dir, backup.Store))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	src := backup.Source{Version: "v1", Keys: keysOf(t, secret), Store: store, Schema: 3, Secret: secret + "\n", ClientID: "usher-a\n"}
	if change != nil {
		change(&src)
	}
	var out bytes.Buffer
	if _, err := backup.Write(&out, src); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// contentOf is all that is in a folder, by name.
func contentOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if path != dir && err == nil {
				all[path] = "a folder"
			}
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// with is what main does: the backup's secret, or that which is there.
func with(t testing.TB, there string) func(string) (session.Keys, error) {
	return func(secret string) (session.Keys, error) {
		if secret == "" {
			secret = there
		}
		return session.NewKeys(strings.TrimSpace(secret))
	}
}

func goOn() error { return nil }

// refused wants a restore to fail so, and to change nothing.
func refused(t *testing.T, name string, in io.Reader, want error, says string) {
	t.Helper()
	dir := installation(t, secretB, "usher-b", 1)
	before := contentOf(t, dir)
	_, err := backup.Restore(dir, in, with(t, secretB), false, goOn)
	if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v; want %v, and %q in it", name, err, want, says)
	}
	if diff := cmp.Diff(before, contentOf(t, dir)); diff != "" {
		t.Errorf("%s: the data folder was changed: %s", name, diff)
	}
}

// member is a part of a tar made by hand.
type member struct {
	tar.Header
	content string
}

func tarOf(t testing.TB, all ...member) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range all {
		if m.Size == 0 {
			m.Size = int64(len(m.content))
		}
		m.Mode = 0o600
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, m.content) // may be shorter than it claims
	}
	_ = w.Close()
	return &out
}

// parts are those of a good backup, to be bent.
func parts(t testing.TB, b []byte) (all []member) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err != nil {
			return all
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{tar.Header{Name: h.Name, Typeflag: h.Typeflag}, string(content)})
	}
}

func TestFilesThatAreNoBackup(t *testing.T) {
	t.Parallel()
	good := backupOf(t, installation(t, secretA, "usher-a", 3), secretA, nil)
	var zipped, gzipped bytes.Buffer
	z, g := zip.NewWriter(&zipped), gzip.NewWriter(&gzipped)
	f, err := z.Create("usher.db")
	_, writeErr := f.Write(good)
	_, gzipErr := g.Write(good)
	if err := errors.Join(err, writeErr, gzipErr, z.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	store, err := os.ReadFile(filepath.Join(installation(t, secretA, "usher-a", 1), backup.Store))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]io.Reader{
		"nothing":              strings.NewReader(""),
		"text":                 strings.NewReader(strings.Repeat("no backup\n", 1000)),
		"zeros":                bytes.NewReader(make([]byte, 100_000)),
		"a zip":                &zipped,
		"a backup in gzip":     &gzipped,
		"a store by itself":    bytes.NewReader(store),
		"a foreign tar":        tarOf(t, member{tar.Header{Name: "index.html"}, "<html>"}),
		"a foreign JSON":       tarOf(t, member{tar.Header{Name: "backup.json"}, `{"tool":"other"}`}),
		"no JSON":              tarOf(t, member{tar.Header{Name: "backup.json"}, "x"}),
		"half a backup":        bytes.NewReader(good[:len(good)/2]),
		"a backup's beginning": bytes.NewReader(good[:512]),
		"a JSON of 1 GB":       tarOf(t, member{tar.Header{Name: "backup.json", Size: 1 << 30}, "{"}),
	} {
		refused(t, name, in, backup.ErrBad, "usher backup")
	}
	broken := errors.New("the disk fails")
	refused(t, "a disk that fails", io.MultiReader(bytes.NewReader(good[:2000]), iotest.ErrReader(broken)), broken, "")
}

func TestBentBackups(t *testing.T) {
	t.Parallel()
	dir := installation(t, secretA, "usher-a", 3)
	good := backupOf(t, dir, secretA, nil)
	// bent is a backup whose parts, and their list, are changed.
	bent := func(change func(m *backup.Manifest, all []member) []member) io.Reader {
		all := parts(t, good)
		var m backup.Manifest
		if err := json.Unmarshal([]byte(all[0].content), &m); err != nil {
			t.Fatal(err)
		}
		all = change(&m, all)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		all[0].content = string(text)
		return tarOf(t, all...)
	}
	// storeOf is a backup of another store, listed as it is.
	storeOf := func(b string) io.Reader {
		return bent(func(m *backup.Manifest, all []member) []member {
			sum := sha256.Sum256([]byte(b))
			m.Parts[0].Size, m.Parts[0].SHA256, all[1].content = int64(len(b)), hex.EncodeToString(sum[:]), b
			return all
		})
	}
	for name, c := range map[string]struct {
		in   io.Reader
		want error
		says string
	}{
		"a newer form": {bent(func(m *backup.Manifest, all []member) []member { m.Form, m.Version = 2, "v9"; return all }), nil, "v9"},
		"a way out, beside": {bent(func(_ *backup.Manifest, all []member) []member {
			return append(all, member{tar.Header{Name: "../../etc/x"}, "x"})
		}), backup.ErrBad, "too many"},
		"a way out, in a part's place": {bent(func(_ *backup.Manifest, all []member) []member { all[2].Name = "../../etc/x"; return all }), backup.ErrBad, "etc/x"},
		"a way out, listed": {bent(func(m *backup.Manifest, all []member) []member {
			m.Parts[1].Name, all[2].Name = "../../etc/x", "../../etc/x"
			return all
		}), backup.ErrBad, "etc/x"},
		"an absolute name": {bent(func(m *backup.Manifest, all []member) []member {
			m.Parts[1].Name, all[2].Name = "/tmp/secret", "/tmp/secret"
			return all
		}), backup.ErrBad, "/tmp/secret"},
		"another name of the data folder": {bent(func(m *backup.Manifest, all []member) []member {
			m.Parts[1].Name, all[2].Name = "doctor-word", "doctor-word"
			return all
		}), backup.ErrBad, "doctor-word"},
		"a symbolic link": {bent(func(_ *backup.Manifest, all []member) []member {
			all[2] = member{tar.Header{Name: "secret", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}
			return all
		}), backup.ErrBad, "no plain file"},
		"a hard link": {bent(func(_ *backup.Manifest, all []member) []member {
			all[2] = member{tar.Header{Name: "secret", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}, ""}
			return all
		}), backup.ErrBad, "no plain file"},
		"a folder": {bent(func(_ *backup.Manifest, all []member) []member {
			all[2] = member{tar.Header{Name: "secret", Typeflag: tar.TypeDir}, ""}
			return all
		}), backup.ErrBad, "secret"},
		"a pipe": {bent(func(_ *backup.Manifest, all []member) []member {
			all[2] = member{tar.Header{Name: "secret", Typeflag: tar.TypeFifo}, ""}
			return all
		}), backup.ErrBad, "no plain file"},
		"extended attributes": {bent(func(_ *backup.Manifest, all []member) []member {
			all[2].PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"}
			return all
		}), backup.ErrBad, "no plain file"},
		"two stores": {bent(func(_ *backup.Manifest, all []member) []member { return append(all, all[1]) }), backup.ErrBad, "too many"},
		"two stores, listed": {bent(func(m *backup.Manifest, all []member) []member {
			m.Parts = append(m.Parts, m.Parts[0])
			return append(all, all[1])
		}), backup.ErrBad, "usher.db"},
		"no store": {bent(func(m *backup.Manifest, all []member) []member {
			m.Parts = m.Parts[1:]
			return append(all[:1], all[2:]...)
		}), backup.ErrBad, "no store"},
		"a part that is missing": {bent(func(_ *backup.Manifest, all []member) []member { return all[:3] }), backup.ErrBad, "missing"},
		"10 GB, listed":          {bent(func(m *backup.Manifest, all []member) []member { m.Parts[0].Size = 10 << 30; return all }), backup.ErrBad, "10737418240"},
		"10 GB, claimed": {bent(func(_ *backup.Manifest, all []member) []member {
			all[1].Size, all[1].Format = 10<<30, tar.FormatGNU
			return all[:2]
		}), backup.ErrBad, "10737418240"},
		"below nothing":  {bent(func(m *backup.Manifest, all []member) []member { m.Parts[0].Size = -1; return all }), backup.ErrBad, "-1"},
		"1 GB of secret": {bent(func(m *backup.Manifest, all []member) []member { m.Parts[1].Size = 1 << 30; return all }), backup.ErrBad, "secret"},
		"another secret inside": {bent(func(m *backup.Manifest, all []member) []member {
			sum := sha256.Sum256([]byte(secretB))
			m.Parts[1].Size, m.Parts[1].SHA256, all[2].content = int64(len(secretB)), hex.EncodeToString(sum[:]), secretB
			return all
		}), backup.ErrOtherKeys, ""},
		"an empty store":            {storeOf(""), backup.ErrBad, "empty"},
		"a store that is noise":     {storeOf(strings.Repeat("noise", 10_000)), session.ErrDamaged, "another backup"},
		"a store of somebody else":  {storeOf(boltOf(t, "widgets", "a", "b")), session.ErrDamaged, "another backup"},
		"a store of a newer schema": {storeOf(boltOf(t, "usher", "schema", "4")), session.ErrNewer, `"v1"`},
		"a store cut short":         {storeOf(parts(t, good)[1].content[:8192]), session.ErrDamaged, ""},
	} {
		refused(t, name, c.in, c.want, c.says)
	}
	if _, err := os.Stat("/tmp/secret"); err == nil {
		t.Error("/tmp/secret was made")
	}
}

// boltOf is a bbolt file with one pair.
func boltOf(t testing.TB, bucket, key, value string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "any.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	})
	b, readErr := os.ReadFile(path)
	if err := errors.Join(err, db.Close(), readErr); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A backup that was cut anywhere, or has one bit changed anywhere, is refused, unless
// what it holds is there to the last bit.
func TestEveryCutAndEveryBit(t *testing.T) {
	t.Parallel()
	good := backupOf(t, installation(t, secretA, "usher-a", 1), secretA, nil)
	want := make(map[string]string)
	for _, p := range parts(t, good)[1:] {
		want[p.Name] = p.content
	}
	read := func(b []byte) bool {
		got := make(map[string]string)
		_, err := backup.Read(bytes.NewReader(b), func(name string) (io.WriteCloser, error) { return &kept{name: name, all: got}, nil })
		if err == nil && !maps.Equal(want, got) {
			t.Error("something else was read, without an error")
		}
		if err != nil && !errors.Is(err, backup.ErrBad) && !strings.Contains(err.Error(), "newer") {
			t.Error(err)
		}
		return err == nil
	}
	if !read(good) {
		t.Fatal("the backup itself is refused")
	}
	// The last part ends before two empty blocks, which say only that this was all.
	for n := 0; n < len(good)-3*512; n += 97 {
		if read(good[:n]) {
			t.Errorf("%d bytes of %d are taken for all", n, len(good))
		}
	}
	accepted, tried := 0, 0
	for at := 0; at < len(good); at += 13 {
		b := bytes.Clone(good)
		b[at] ^= 1 << (at % 8)
		tried++
		if read(b) {
			accepted++
		}
	}
	if accepted > tried/10 { // of the filling between the parts
		t.Errorf("%d of %d changes were not seen", accepted, tried)
	}
}

// kept is a part that is kept in memory.
type kept struct {
	bytes.Buffer
	name string
	all  map[string]string
}

func (k *kept) Close() error { k.all[k.name] = k.String(); return nil }

func TestRestore(t *testing.T) {
	t.Parallel()
	old, other := installation(t, secretA, "usher-a", 3), installation(t, secretB, "usher-b", 1)
	was, there := contentOf(t, old), contentOf(t, other)
	b := backupOf(t, old, secretA, nil)
	done, err := backup.Restore(other, bytes.NewReader(b), with(t, ""), false, goOn)
	if err != nil || done.Sessions != 3 || done.Version != "v1" || len(done.KeptAs) != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	now := contentOf(t, other)
	for _, name := range []string{backup.Store, backup.Secret, backup.ClientID} {
		if now[name] != was[name] {
			t.Errorf("%s is not that of the backup", name)
		}
		if info, err := os.Stat(filepath.Join(other, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		delete(now, name)
	}
	for _, path := range done.KeptAs {
		name := filepath.Base(path)
		before, _, ok := strings.Cut(name, ".before-restore-")
		if !ok || now[name] != there[before] {
			t.Errorf("%s is not what was there", name)
		}
		delete(now, name)
	}
	if len(now) > 0 {
		t.Errorf("more is there: %q", now)
	}

	// Once more: the secret and the client id are the same now.
	if done, err = backup.Restore(other, bytes.NewReader(b), with(t, ""), false, goOn); err != nil || len(done.KeptAs) != 1 || !strings.Contains(done.KeptAs[0], "usher.db") {
		t.Errorf("%+v, %v", done, err)
	}
	// And where there was nothing.
	empty := t.TempDir()
	if done, err = backup.Restore(empty, bytes.NewReader(b), with(t, ""), false, goOn); err != nil || done.KeptAs != nil {
		t.Errorf("%+v, %v", done, err)
	}
	if diff := cmp.Diff(was, contentOf(t, empty)); diff != "" {
		t.Error(diff)
	}
}

// Where the store that is there is the reason for the restore, it is kept all the same.
func TestRestoreOverDamage(t *testing.T) {
	t.Parallel()
	dir := installation(t, secretA, "usher-a", 2)
	b := backupOf(t, dir, secretA, nil)
	if err := os.WriteFile(filepath.Join(dir, backup.Store), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	done, err := backup.Restore(dir, bytes.NewReader(b), with(t, ""), false, goOn)
	if err != nil || len(done.KeptAs) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if kept, err := os.ReadFile(done.KeptAs[0]); string(kept) != "damaged" {
		t.Errorf("%q, %v", kept, err)
	}
}

func TestRestoreWithoutTheSecret(t *testing.T) {
	t.Parallel()
	b := backupOf(t, installation(t, secretA, "usher-a", 3), secretA, func(src *backup.Source) { src.Secret, src.ClientID = "", "" })
	refused(t, "another in force", bytes.NewReader(b), backup.ErrOtherKeys, "")
	dir := installation(t, secretB, "usher-b", 1)
	if done, err := backup.Restore(dir, bytes.NewReader(b), with(t, secretA), false, goOn); err != nil || len(done.KeptAs) != 1 {
		t.Errorf("with the same in force: %+v, %v", done, err)
	}
	if now := contentOf(t, dir); now[backup.Secret] != secretB+"\n" || now[backup.ClientID] != "usher-b\n" {
		t.Error("the secret and the client id are not what they were")
	}
	if _, err := backup.Restore(installation(t, secretB, "usher-b", 1), bytes.NewReader(b), with(t, secretB), true, goOn); err != nil {
		t.Errorf("on demand: %v", err)
	}
}

func TestRestoreIsRefusedWhileUsherRuns(t *testing.T) {
	t.Parallel()
	b := backupOf(t, installation(t, secretA, "usher-a", 3), secretA, nil)
	dir := installation(t, secretB, "usher-b", 1)
	synctest.Test(t, func(t *testing.T) { // so that the wait for the lock takes no time
		store, err := session.Open(filepath.Join(dir, backup.Store), keysOf(t, secretB), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		before := contentOf(t, dir)
		if _, err := backup.Restore(dir, bytes.NewReader(b), with(t, ""), false, goOn); !errors.Is(err, session.ErrLocked) {
			t.Error(err)
		}
		if diff := cmp.Diff(before, contentOf(t, dir)); diff != "" {
			t.Error(diff)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRestoreThatIsCalledOff(t *testing.T) {
	t.Parallel()
	b := backupOf(t, installation(t, secretA, "usher-a", 3), secretA, nil)
	dir := t.TempDir()
	off := errors.New("called off")
	if _, err := backup.Restore(dir, bytes.NewReader(b), with(t, ""), false, func() error { return off }); !errors.Is(err, off) {
		t.Error(err)
	}
	if left := contentOf(t, dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// A restore that was cut off after each of its steps is finished, to the same end.
func TestFinish(t *testing.T) {
	t.Parallel()
	old := installation(t, secretA, "usher-a", 3)
	was := contentOf(t, old)
	const stamp = "20260102T030405.678Z"
	for done := range 8 {
		dir := installation(t, secretB, "usher-b", 1)
		there := contentOf(t, dir)
		decided := filepath.Join(dir, ".restore-"+stamp)
		if err := os.Mkdir(decided, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range was {
			if err := os.WriteFile(filepath.Join(decided, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		steps := 0
		for _, name := range []string{backup.Secret, backup.ClientID, backup.Store} { // set aside, put in place
			path := filepath.Join(dir, name)
			for _, step := range []func() error{
				func() error { return session.SetAside(path, path+".before-restore-"+stamp) },
				func() error { return os.Rename(filepath.Join(decided, name), path) },
			} {
				if steps++; steps <= done {
					if err := step(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if done == 7 {
			if err := os.Remove(decided); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second has nothing to do
			if _, err := backup.Finish(dir); err != nil {
				t.Errorf("after %d steps: %v", done, err)
			}
			want := maps.Clone(was)
			for name, content := range there {
				want[name+".before-restore-"+stamp] = content
			}
			if diff := cmp.Diff(want, contentOf(t, dir)); diff != "" {
				t.Errorf("after %d steps: %s", done, diff)
			}
		}
	}
}

// What an unfinished preparation has left goes at the next start.
func TestFinishClearsAway(t *testing.T) {
	t.Parallel()
	dir := installation(t, secretA, "usher-a", 1)
	before := contentOf(t, dir)
	staging := filepath.Join(dir, ".restoring")
	if err := errors.Join(os.Mkdir(staging, 0o700), os.WriteFile(filepath.Join(staging, "usher.db"), []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	kept, err := backup.Finish(dir)
	if err != nil || kept != nil {
		t.Errorf("%q, %v", kept, err)
	}
	if diff := cmp.Diff(before, contentOf(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(backup.MaxStore + 1); err != nil { // takes no room
		t.Fatal(err)
	}
	for name, src := range map[string]backup.Source{
		"a store that is too large":  {Store: f},
		"a secret that is too large": {Store: open(t, filepath.Join(installation(t, secretA, "usher-a", 0), backup.Store)), Secret: strings.Repeat("a", 65<<10)},
	} {
		src.Keys = keysOf(t, secretA)
		var out bytes.Buffer
		if _, err := backup.Write(&out, src); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
