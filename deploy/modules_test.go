package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestEnvoyFile and TestKubernetesFiles read recipes that cannot be run here with the types and definitions of those
// who read them, in modules of their own.
func TestEnvoyFile(t *testing.T) { t.Parallel(); inModule(t, "envoy", "envoy") }

func TestKubernetesFiles(t *testing.T) { t.Parallel(); inModule(t, "kubernetes", "kubernetes") }

func inModule(t *testing.T, name, recipe string) {
	t.Helper()
	dir := filepath.Join("internal", name)
	for _, watched := range []string{dir, recipe} { // files that a test stats are part of its cache's key
		files, err := os.ReadDir(watched)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(watched, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	test := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", append([]string{"test"}, args...)...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := test("-run", "^$", "./..."); err != nil {
		missing(t, "the checks of "+recipe+" cannot be built: "+err.Error()+"\n"+string(out))
	}
	if out, err := test("-count=1", "./..."); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
