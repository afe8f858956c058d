package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func (s *Server) logPath() string { return filepath.Join(s.Dir, "log") }

// Log is everything the process has written, one JSON object a line.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// tail is the end of the log, for a failure's report.
func (s *Server) tail() string {
	log := s.Log()
	const most = 6000
	if len(log) > most {
		log = "..." + log[len(log)-most:]
	}
	return log
}

// Warnings lists the log's lines that are no JSON or are warnings or worse, apart from those that Expect named.
func (s *Server) Warnings() []string {
	var found []string
	lines := bufio.NewScanner(bytes.NewReader([]byte(s.Log())))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		var entry struct {
			Level string `json:"level"`
		}
		err := json.Unmarshal(lines.Bytes(), &entry)
		harmless := err == nil && (entry.Level == "INFO" || entry.Level == "DEBUG")
		if !harmless && !slices.ContainsFunc(s.expected, func(part string) bool { return strings.Contains(line, part) }) {
			found = append(found, line)
		}
	}
	return found
}
