package lab

import "encoding/json"

// QueueLength is how many messages wait in the queue; beyond a hundred it does not count on.
func (s *Server) QueueLength() int {
	s.t.Helper()
	var list struct{ Messages []json.RawMessage }
	s.json(&list, "queue", "list", "--limit", "100")
	return len(list.Messages)
}

// Relayed counts the events that say that another host took a message over for a recipient.
func (s *Server) Relayed(messageID, recipient string) int {
	s.t.Helper()
	var report struct {
		Passages []struct {
			Events []struct{ Outcome, To string }
		}
	}
	s.json(&report, "trace", messageID)
	n := 0
	for _, p := range report.Passages {
		for _, e := range p.Events {
			if e.Outcome == "relayed" && e.To == recipient {
				n++
			}
		}
	}
	return n
}

// json runs a command with --json and decodes what it says.
func (s *Server) json(into any, args ...string) {
	s.t.Helper()
	out := s.CLI("", append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		s.t.Fatalf("postrider %v --json: %v\n%s", args, err, out)
	}
}
