package imap

import (
	"context"
)

// command is how one command is served.
type command struct {
	states state
	// open says that the command reads on after its first arguments, up to its CRLF.
	open bool
	// keeps says that sequence numbers must stay as they are until after the answer (RFC 9051 7.5.1).
	keeps bool
	run   func(s *session, ctx context.Context, c *call) (reply, error)
}

// with hands a command its own type of arguments.
func with[A any](run func(s *session, ctx context.Context, c *call, a *A) (reply, error)) func(*session, context.Context, *call) (reply, error) {
	return func(s *session, ctx context.Context, c *call) (reply, error) {
		return run(s, ctx, c, any(c.args).(*A))
	}
}

// commands are all there are. Each stands in the file of its name.
var commands map[string]command = map[string]command{
	"CAPABILITY": {states: anyState, run: with((*session).cmdCapability)},
	"NOOP":       {states: anyState, run: with((*session).cmdNoop)},
	"LOGOUT":     {states: anyState, run: with((*session).cmdLogout)},
	"ID":         {states: anyState, run: with((*session).cmdID)},

	"STARTTLS":     {states: notAuthenticated, run: with((*session).cmdStartTLS)},
	"AUTHENTICATE": {states: notAuthenticated, run: with((*session).cmdAuthenticate)},
	"LOGIN":        {states: notAuthenticated, run: with((*session).cmdLogin)},

	"ENABLE":       {states: loggedIn, run: with((*session).cmdEnable)},
	"SELECT":       {states: loggedIn, run: with((*session).cmdSelect)},
	"EXAMINE":      {states: loggedIn, run: with((*session).cmdSelect)},
	"CREATE":       {states: loggedIn, run: with((*session).cmdCreate)},
	"DELETE":       {states: loggedIn, run: with((*session).cmdDelete)},
	"RENAME":       {states: loggedIn, run: with((*session).cmdRename)},
	"SUBSCRIBE":    {states: loggedIn, run: with((*session).cmdSubscribe)},
	"UNSUBSCRIBE":  {states: loggedIn, run: with((*session).cmdSubscribe)},
	"LIST":         {states: loggedIn, run: with((*session).cmdList)},
	"LSUB":         {states: loggedIn, run: with((*session).cmdLSub)},
	"NAMESPACE":    {states: loggedIn, run: with((*session).cmdNamespace)},
	"STATUS":       {states: loggedIn, run: with((*session).cmdStatus)},
	"APPEND":       {states: loggedIn, open: true, run: with((*session).cmdAppend)},
	"IDLE":         {states: loggedIn, run: with((*session).cmdIdle)},
	"GETQUOTA":     {states: loggedIn, run: with((*session).cmdGetQuota)},
	"GETQUOTAROOT": {states: loggedIn, run: with((*session).cmdGetQuotaRoot)},

	"CHECK":    {states: selected, run: with((*session).cmdNoop)},
	"CLOSE":    {states: selected, run: with((*session).cmdClose)},
	"UNSELECT": {states: selected, run: with((*session).cmdUnselect)},
	"EXPUNGE":  {states: selected, run: (*session).cmdExpunge},
	"SEARCH":   {states: selected, keeps: true, run: with((*session).cmdSearch)},
	"FETCH":    {states: selected, keeps: true, run: with((*session).cmdFetch)},
	"STORE":    {states: selected, keeps: true, run: with((*session).cmdStore)},
	"COPY":     {states: selected, run: with((*session).cmdCopy)},
	"MOVE":     {states: selected, run: with((*session).cmdMove)},
}

// catchUp tells the client what changed in the selected mailbox, at the end of a command.
func (s *session) catchUp(ctx context.Context, c *call) {
	keeps := commands[c.head.Name].keeps && !c.head.UID
	if !c.changed && !s.box.hasNews() && c.head.Name != "NOOP" && c.head.Name != "CHECK" {
		if s.box.gone == nil || keeps {
			return
		}
	}
	if err := s.update(ctx, !keeps); err != nil {
		s.trouble(err)
	}
}
