package overview

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// nodeKind is that of the notes in which nodes tell of themselves: the key is a node's name, the value a Node as JSON.
const nodeKind = "node"

// Times of heartbeats.
const (
	beatEvery = 30 * time.Second
	beatTime  = 10 * time.Second // the longest one may take
	lostAfter = 3 * beatEvery    // without a heartbeat
	nodeKept  = 24 * time.Hour   // after its last heartbeat
)

// Node is one process of the system.
type Node struct {
	Name      string     `json:"name"`
	Hostname  string     `json:"hostname"`
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Seen      time.Time  `json:"seen"` // its last heartbeat
	Alive     bool       `json:"alive"`
	This      bool       `json:"this,omitempty"` // it is the one that answers
	Roles     []string   `json:"roles"`
	Listening []Listener `json:"listening"`
	Load      NodeLoad   `json:"load"`
}

// NodeLoad is how busy a node was at its last heartbeat.
type NodeLoad struct {
	Uptime      int64            `json:"uptime_seconds"`
	Goroutines  int              `json:"goroutines"`
	Memory      int64            `json:"memory"` // octets that it has from the system
	CPUs        int              `json:"cpus"`
	Connections map[string]int64 `json:"connections,omitempty"` // by service
}

// Listener is a service and where it listens.
type Listener struct {
	Service string `json:"service"` // the key in [listen]: smtp, imaps ...
	Address string `json:"address"`
}

// Run tells the other nodes of this one, and counts mail by day, until ctx ends. It is for a running server, once.
func (o *Overview) Run(ctx context.Context) {
	for {
		o.beat(ctx)
		select {
		case <-ctx.Done():
			o.leave(context.WithoutCancel(ctx))
			return
		case <-o.cfg.Clock.After(beatEvery):
		}
	}
}

// beat writes one heartbeat. What could not be written is in the next one.
func (o *Overview) beat(ctx context.Context) {
	n := o.node()
	value, err := json.Marshal(n)
	if err != nil {
		return
	}
	o.write(ctx, mail.PutNote{Note: mail.Note{Kind: nodeKind, Key: n.Name, Value: value, Expires: n.Seen.Add(nodeKept)}})
}

// leave takes the node off the list, and counts for the last time.
func (o *Overview) leave(ctx context.Context) {
	o.write(ctx, mail.RemoveNote{Kind: nodeKind, Key: o.node().Name})
}

func (o *Overview) write(ctx context.Context, change mail.Change) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	volumes, written := o.counted.changes(o.volumes(), o.cfg.Clock.Now())
	if _, err := o.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: append(volumes, change)}); err == nil {
		written()
	}
}

// node is this process as it is now.
func (o *Overview) node() Node {
	f, now := o.cfg.Self, o.cfg.Clock.Now().UTC()
	n := Node{Name: f.Name, Hostname: f.Hostname, Version: f.Version, Started: f.Started.UTC(), Seen: now, Roles: f.Roles, Listening: []Listener{},
		Load: NodeLoad{Goroutines: runtime.NumGoroutine(), Memory: memory(), CPUs: runtime.GOMAXPROCS(0)}}
	if n.Name == "" {
		n.Name, _ = os.Hostname() // without it, the name of the mail host has to do
	}
	if n.Name == "" {
		n.Name = f.Hostname
	}
	n.Name = n.Name[:min(len(n.Name), 200)]
	if n.Name == "" {
		n.Name = "node"
	}
	if !f.Started.IsZero() {
		n.Load.Uptime = int64(now.Sub(f.Started) / time.Second)
	}
	if f.Listening != nil {
		n.Listening = append(n.Listening, f.Listening()...)
	}
	if f.Connections != nil {
		n.Load.Connections = f.Connections()
	}
	if n.Roles == nil {
		n.Roles = rolesOf(n.Listening)
	}
	return n
}

// memory is how much the process has from the system, as the Go runtime counts it.
func memory() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 || s[1].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// rolesOf tells by its doors which agents a node runs.
func rolesOf(list []Listener) []string {
	out := []string{}
	for _, l := range list {
		role := ""
		switch name := l.Service; {
		case name == "smtp":
			role = "mta"
		case strings.HasPrefix(name, "submission"):
			role = "msa"
		case name == "lmtp":
			role = "mda"
		case strings.HasPrefix(name, "imap"), strings.HasPrefix(name, "pop3"), name == "https", name == "managesieve":
			role = "maa"
		}
		if role != "" && !slices.Contains(out, role) {
			out = append(out, role)
		}
	}
	slices.Sort(out)
	return out
}

// Nodes lists the processes of the system, by name.
func (o *Overview) Nodes(ctx context.Context) ([]Node, error) {
	out := []Node{}
	var here Node
	if o.cfg.Self.Serving {
		here = o.node()
		here.Alive, here.This = true, true
		out = append(out, here)
	}
	if o.cfg.Notes != nil {
		notes, err := o.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: nodeKind})
		if err != nil {
			return nil, err
		}
		now := o.cfg.Clock.Now()
		for _, note := range notes {
			var n Node
			if json.Unmarshal(note.Value, &n) != nil || n.Name == here.Name && here.This {
				continue
			}
			n.Alive = now.Sub(n.Seen) < lostAfter
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
