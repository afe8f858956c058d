package audit

import (
	"context"
	"os"
	"os/user"
	"strconv"
)

// The ways in which somebody may act.
const (
	WaySocket  = "socket"  // a command that asks a running server
	WayWeb     = "web"     // the administration pages
	WayCommand = "command" // a command that opened the store itself
	WayServer  = "server"  // the server, of its own accord
)

// Actor is who acts.
type Actor struct {
	Way  string `json:"way"`
	Name string `json:"name"`           // a user of this machine, or the address of an account
	From string `json:"from,omitempty"` // the address of the client, where it came over the network
}

type actorKey struct{}

// As gives a context in which the actor acts.
func As(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// By tells who acts.
func By(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}

// User names a user of this machine by number: "ann", or "uid 1000" when it has no name.
func User(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.Username != "" {
		return clip(u.Username, maxName)
	}
	return "uid " + strconv.Itoa(uid)
}

// Process is the user that this process runs as. A command that was run with more rights than its user has is told as both.
func Process(way string) Actor {
	name := User(os.Getuid())
	if os.Geteuid() != os.Getuid() {
		name += " as " + User(os.Geteuid())
	}
	return Actor{Way: way, Name: name}
}
