package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"usher/auth"
	"usher/plex"
)

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmeListsEveryMetric: each once in the table, and none that does not exist.
func TestReadmeListsEveryMetric(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics := auth.NewMetrics(registry)
	metrics.WatchView(func() plex.ViewState { return plex.ViewState{} })
	all := make(chan *prometheus.Desc, 100)
	registry.Describe(all)
	close(all)
	var want []string
	for d := range all {
		want = append(want, regexp.MustCompile("usher_[a-z_]+").FindString(d.String()))
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(usher_[a-z_]+)` \\|").FindAllStringSubmatch(readme(t), -1) {
		listed = append(listed, row[1])
	}
	slices.Sort(want)
	slices.Sort(listed)
	if len(want) == 0 || !slices.Equal(want, listed) {
		t.Errorf("the README lists\n%s, there are\n%s", listed, want)
	}
}

// TestReadmeListsEveryVariable: each once in the table, with the default that
// is in force, and none that does not exist.
func TestReadmeListsEveryVariable(t *testing.T) {
	t.Parallel()
	inTable := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`USHER_.*?) \\| (.*?) \\|").FindAllStringSubmatch(readme(t), -1) {
		names := regexp.MustCompile("USHER_[A-Z_]+").FindAllString(row[1], -1)
		defaults := strings.Split(row[2], ", `")
		for i, name := range names {
			if _, twice := inTable[name]; twice {
				t.Errorf("%s is listed twice", name)
			}
			inTable[name] = "`" + strings.TrimPrefix(defaults[min(i, len(defaults)-1)], "`")
		}
	}
	for _, v := range variables() {
		said, ok := inTable[v.Name]
		if !ok {
			t.Errorf("%s is not in the table", v.Name)
		}
		// Two are told in words: the networks by their kind, the headers by their own table.
		if v.Default != "" && v.Name != "USHER_TRUSTED_PROXIES" && v.Name != "USHER_HEADERS" && !strings.HasPrefix(said, "`"+v.Default+"`") {
			t.Errorf("%s: the table says the default is %s, it is %s", v.Name, said, v.Default)
		}
		delete(inTable, v.Name)
	}
	for name := range inTable {
		t.Errorf("%s is in the table and does not exist", name)
	}
	for _, name := range regexp.MustCompile("USHER_[A-Z_]+").FindAllString(readme(t), -1) {
		if !slices.ContainsFunc(variables(), func(v variable) bool { return v.Name == name || v.Name+"_FILE" == name }) {
			t.Errorf("the README speaks of %s, which does not exist", name)
		}
	}
}

func TestReadmeListsEveryHeader(t *testing.T) {
	t.Parallel()
	if !slices.ContainsFunc(variables(), func(v variable) bool { return v.Name == "USHER_HEADERS" && v.Default == auth.DefaultHeaders }) {
		t.Errorf("the default of USHER_HEADERS is not %s", auth.DefaultHeaders)
	}
	headers, err := auth.ParseHeaders(auth.DefaultHeaders)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range headers.Names() {
		if !strings.Contains(readme(t), "\n| `"+name+"` |") {
			t.Errorf("%s is not in the table of headers", name)
		}
	}
}

// TestReadmeShowsTheRecipes: a block under a file's name is a run of its lines.
func TestReadmeShowsTheRecipes(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)<!-- (deploy/.*?) -->\n```\\w+\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		file, err := os.ReadFile(b[1])
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(file), b[2]) {
			t.Errorf("the block from %s is not in it:\n%s", b[1], b[2])
		}
	}
}

// TestPicturesAreThere: those that documents show, of those of every page, which together stay small.
func TestPicturesAreThere(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, document := range append(documents, "README.md") {
		for _, picture := range regexp.MustCompile(`<img src="([^"]*)"|!\[[^]]*\]\(([^)]*)\)`).FindAllStringSubmatch(fileOf(t, ".", document), -1) {
			shown++
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), picture[1]+picture[2])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
	if shown < 2 {
		t.Errorf("%d pictures are shown", shown)
	}
	var size int64
	pictures, err := os.ReadDir("docs/screenshots")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range pictures {
		info, err := picture.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 1_500_000 {
		t.Errorf("the pictures have %d bytes", size)
	}
	for _, kind := range pageKinds(t) {
		for _, screen := range []string{"phone", "desktop"} {
			if found, err := filepath.Glob("docs/screenshots/" + kind + "*-" + screen + ".webp"); err != nil || len(found) == 0 {
				t.Errorf("no picture of %s on a %s; make screenshots", kind, screen)
			}
		}
	}
}

// pageKinds are the names of all kinds of pages.
func pageKinds(t *testing.T) (kinds []string) {
	t.Helper()
	files, err := filepath.Glob("templates/html/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.Contains(fileOf(t, ".", file), `{{define "heading"}}`) {
			kinds = append(kinds, strings.TrimSuffix(filepath.Base(file), ".html"))
		}
	}
	return kinds
}

// TestReadmeLinks: every relative link leads to a file that is there.
func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "CHANGELOG.md", "SECURITY.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(link[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
