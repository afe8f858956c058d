package message_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// shared reads a file of the shared test data, which is not part of the project.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../../shared/data", name))
	if err != nil {
		t.Skip("skipped: the shared test data is not on this machine: ", err)
	}
	return raw
}

func sharedJSON[T any](t testing.TB, name string) (cases []T) {
	t.Helper()
	if err := json.Unmarshal(shared(t, name), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no cases", name)
	}
	return cases
}

// sharedFiles gives the contents of all files in folders of the shared test data.
func sharedFiles(t testing.TB, folders ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, folder := range folders {
		names, _ := filepath.Glob(filepath.Join("../../../shared/data", folder, "*"))
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[folder+"/"+filepath.Base(name)] = raw
		}
	}
	if len(files) == 0 {
		t.Skip("skipped: the shared test data is not on this machine")
	}
	return files
}
