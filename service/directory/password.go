package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// Costs of a new credential: argon2id with 19 MiB and two passes, and PBKDF2 rounds for SCRAM.
const (
	argonMemory     = 19 * 1024 // KiB
	argonTime       = 2
	argonLanes      = 1
	saltLength      = 16
	keyLength       = 32
	scramIterations = 10_000
	maxPassword     = 1024
)

// Bounds on what a stored hash may ask of us, so that a damaged row cannot.
const (
	maxArgonMemory = 256 * 1024
	maxArgonTime   = 16
)

// NewCredential makes what is stored for an account's own password. Invalid when it is empty or absurdly long.
func NewCredential(password string) (mail.Credential, error) {
	return makeCredential(mail.Password, password, password, phc{memory: argonMemory, time: argonTime, lanes: argonLanes})
}

// makeCredential hashes a password at the cost of h, and scramPassword for SCRAM.
func makeCredential(label, password, scramPassword string, h phc) (mail.Credential, error) {
	if password == "" || len(password) > maxPassword {
		return mail.Credential{}, mail.Errorf(mail.Invalid, "a password must have between 1 and %d octets", maxPassword)
	}
	h.salt = make([]byte, saltLength)
	rand.Read(h.salt) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	scramSalt := make([]byte, saltLength)
	rand.Read(scramSalt) //nolint:errcheck // as above
	stored, err := sasl.DeriveStored(scramPassword, scramSalt, scramIterations)
	if err != nil {
		return mail.Credential{}, mail.Errorf(mail.Invalid, "the password cannot be used: %w", err)
	}
	h.key = h.derive(password)
	return mail.Credential{Label: label, Hash: h.String(), Salt: stored.Salt, Iterations: stored.Iterations,
		StoredKey: stored.StoredKey, ServerKey: stored.ServerKey}, nil
}

// phc is an argon2id hash in the PHC string format.
type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func (h phc) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, keyLength)
}

// String is the PHC form: $argon2id$v=19$m=...,t=...,p=...$salt$key.
func (h phc) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes,
		b.EncodeToString(h.salt), b.EncodeToString(h.key))
}

func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash is not an argon2id PHC string")
	}
	var h phc
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash has an unknown argon2 version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); err != nil {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash has damaged parameters: %w", err)
	}
	if h.memory > maxArgonMemory || h.time > maxArgonTime || h.time == 0 || h.lanes == 0 {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash has parameters out of range")
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash has a damaged salt: %w", err)
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) != keyLength {
		return phc{}, mail.Errorf(mail.Internal, "a stored password hash has a damaged key")
	}
	return h, nil
}

// hasher checks passwords, a bounded number at once, and remembers for a while which were right.
type hasher struct {
	slots chan struct{} // one is held while a hash runs: memory is bounded by its capacity
	key   []byte        // of this process: keys of known are meaningless elsewhere
	decoy phc           // hashed against when there is no such user
	now   func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]time.Time // HMAC of (stored hash, right password) until when
}

const (
	knownFor = 10 * time.Minute
	maxKnown = 10_000
)

func newHasher(now func() time.Time) *hasher {
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	return &hasher{
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		key:   key,
		decoy: phc{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: key[:saltLength], key: make([]byte, keyLength)},
		now:   now,
		known: map[[sha256.Size]byte]time.Time{},
	}
}

// matches reports whether password is the one behind the stored hash. An empty stored runs the decoy and is false.
func (h *hasher) matches(ctx context.Context, stored, password string) (bool, error) {
	id := h.id(stored, password)
	if stored != "" && h.isKnown(id) {
		return true, nil
	}
	want := h.decoy
	if stored != "" {
		var err error
		if want, err = parsePHC(stored); err != nil {
			return false, err
		}
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return false, mail.Errorf(mail.Unavailable, "too many logins at once; try again in a moment")
	}
	if subtle.ConstantTimeCompare(want.derive(password), want.key) != 1 || stored == "" {
		return false, nil
	}
	h.remember(id)
	return true, nil
}

// id is what a right password is remembered by. It changes with the stored hash, so a changed password is forgotten at once.
func (h *hasher) id(stored, password string) (sum [sha256.Size]byte) {
	m := hmac.New(sha256.New, h.key)
	m.Write([]byte(stored))
	m.Write([]byte{0})
	m.Write([]byte(password))
	m.Sum(sum[:0])
	return sum
}

func (h *hasher) isKnown(id [sha256.Size]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.known[id]
	return ok && h.now().Before(until)
}

func (h *hasher) remember(id [sha256.Size]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxKnown {
		clear(h.known)
	}
	h.known[id] = h.now().Add(knownFor)
}
