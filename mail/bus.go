package mail

// Topic is what news is about.
type Topic struct {
	Kind    TopicKind
	Account AccountID // of TopicAccount
}

// TopicKind is a sort of news.
type TopicKind uint8

// The kinds of news.
const (
	TopicAccount   TopicKind = iota // something in the account changed: look at its modseq
	TopicQueue                      // something in the queue became due
	TopicDirectory                  // domains, accounts, aliases or credentials changed
)

// Bus carries news of what was committed. News says that something changed, never what: who
// wakes up reads the store, so that nothing depends on news arriving.
type Bus interface {
	Publish(topics ...Topic)
	// Watch gives a channel that receives after each Publish of the topic; news that nobody has taken yet is merged. stop ends
	// it and is safe to call twice.
	Watch(t Topic) (news <-chan struct{}, stop func())
}
