package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryEnv names the binary under test. It may be set from outside, to test one that was built otherwise.
const binaryEnv = "POSTRIDER_BINARY"

// Main builds the binary, unless POSTRIDER_BINARY names one, and runs the tests. It returns the exit status.
func Main(m *testing.M) int {
	if os.Getenv(binaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "postrider-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "postrider")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/postrider/postrider/cmd/postrider").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: the program does not build: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binaryEnv, bin); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return m.Run()
}

// Binary is the path of the program under test.
func Binary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv(binaryEnv)
	if bin == "" {
		t.Fatal("lab: no binary; TestMain must call lab.Main")
	}
	return bin
}

// Need fails the test unless the programs are there. Each is what a Debian package brings.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("the program %s is missing; run tools/install-test-deps.sh, or make test, which does", p)
		}
	}
}
