package command

import (
	"runtime"
	"runtime/debug"
)

// Version is what the program is.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Dirty   bool   `json:"dirty,omitempty"` // built from files that differ from the commit
	Go      string `json:"go"`
	System  string `json:"system"` // operating system and processor
}

// BuildVersion adds to a version what the Go tools noted in the program.
func BuildVersion(version string) Version {
	v := Version{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			v.Dirty = s.Value == "true"
		}
	}
	return v
}
