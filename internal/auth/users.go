package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// ErrWrong is the answer to a wrong password and to an unknown user alike.
var ErrWrong = errors.New("wrong user name or password")

// maxRemembered bounds the logins a table remembers; past it an arbitrary one
// is forgotten, which costs its client one derivation.
const maxRemembered = 4096

// Users is the set of users of one server. It is safe for concurrent use.
type Users struct {
	fs     vfs.FS
	path   string
	derive deriveFunc
	slots  chan struct{} // one per derivation that may run
	macKey [32]byte      // of this process alone

	reload   sync.Mutex // one Reload at a time
	document []byte     // guarded by reload; in place of the file's contents, nil: none
	table    atomic.Pointer[table]

	mu       sync.Mutex
	attempts map[attemptKey]*attempt // guarded by mu; those under way
}

// attempt is one login under way. user and err are set before done is closed.
type attempt struct {
	done chan struct{}
	user *User
	err  error
}

type attemptKey struct {
	network netip.Addr
	mac     [sha256.Size]byte
}

// table is one reading of the file.
type table struct {
	generation uint64
	accounts   map[string]*account
	cost       int    // PBKDF2 iterations of every login: the highest in the file
	nobody     stored // what an unknown user's password is compared with

	mu         sync.Mutex
	remembered map[[sha256.Size]byte]*User // guarded by mu; key: mac of name and password
}

// Load reads the users file at path.
func Load(fs vfs.FS, path string) (*Users, error) {
	s := &Users{
		fs: fs, path: path, derive: derive,
		slots:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		attempts: map[attemptKey]*attempt{},
	}
	if _, err := rand.Read(s.macKey[:]); err != nil {
		return nil, fmt.Errorf("no random key: %w", err)
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the file again. The new users replace the old ones at once; on
// error the old ones stay.
func (s *Users) Reload() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	data, source, err := s.document, "the cluster's users", error(nil)
	if data == nil {
		source = s.path
		if data, err = s.read(); err != nil {
			return fmt.Errorf("cannot read the users file: %w", err)
		}
	}
	accounts, err := parse(source, data)
	if err != nil {
		return err
	}
	t := &table{accounts: accounts, remembered: map[[sha256.Size]byte]*User{}}
	for _, a := range accounts {
		t.cost = max(t.cost, a.pass.iterations)
	}
	// No password derives to all zeros that anybody could find.
	t.nobody = stored{iterations: t.cost, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	if old := s.table.Load(); old != nil {
		t.generation = old.generation + 1
	}
	s.table.Store(t)
	return nil
}

// SetDocument puts a document of the users file's form in the place of the file; ""
// takes that back. On error the users stay as they are.
func (s *Users) SetDocument(document string) error {
	var data []byte
	if document != "" {
		if _, err := parse("the cluster's users", []byte(document)); err != nil {
			return err
		}
		data = []byte(document)
	}
	s.reload.Lock()
	s.document = data
	s.reload.Unlock()
	return s.Reload()
}

// List reads a document of the users file's form and returns its users by name.
func List(document string) ([]User, error) {
	accounts, err := parse("users", []byte(document))
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(accounts))
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		users = append(users, accounts[name].user)
	}
	return users, nil
}

func (s *Users) read() ([]byte, error) {
	f, err := s.fs.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// Len is the number of users.
func (s *Users) Len() int { return len(s.table.Load().accounts) }

// Generation grows by one with every successful Reload. A session that keeps
// it can tell cheaply when to call Current.
func (s *Users) Generation() uint64 { return s.table.Load().generation }

// Current returns what the user called name is now, with the generation that
// says so, or nil when the file no longer has it: a session of that user must
// log in again.
func (s *Users) Current(name string) (*User, uint64) {
	t := s.table.Load()
	if a := t.accounts[name]; a != nil {
		return &a.user, t.generation
	}
	return nil, t.generation
}

// Authenticate returns the user if the password is right, or ErrWrong. It
// blocks for the time of a key derivation unless the login is remembered.
func (s *Users) Authenticate(name, password string) (*User, error) {
	return s.Login(nil, netip.Addr{}, name, password)
}

// Login is Authenticate under the limit of failures from addr. Every attempt
// counts as a failure until it has succeeded, so that many at once are no way
// around the limit; attempts with the same name and password from the same
// address that run at once are one attempt, so that a pool of connections that
// opens together is not taken for an attack. The error is ErrWrong or a
// *LimitedError. l may be nil.
func (s *Users) Login(l *Limiter, addr netip.Addr, name, password string) (*User, error) {
	if len(password) > maxPassword || len(name) > maxNameBytes {
		return nil, ErrWrong // nobody's name or password is that long: this says nothing
	}
	key := attemptKey{network(addr), s.mac(name, password)}
	s.mu.Lock()
	if other := s.attempts[key]; other != nil {
		s.mu.Unlock()
		<-other.done
		return other.user, other.err
	}
	a := &attempt{done: make(chan struct{})}
	s.attempts[key] = a
	s.mu.Unlock()

	a.user, a.err = nil, l.Take(addr)
	if a.err == nil {
		a.user, a.err = s.check(key.mac, name, password)
	}
	if a.err == nil {
		l.Refund(addr)
	}

	s.mu.Lock()
	delete(s.attempts, key)
	s.mu.Unlock()
	close(a.done)
	return a.user, a.err
}

// check compares the password with the user's, or with nobody's.
func (s *Users) check(mac [sha256.Size]byte, name, password string) (*User, error) {
	t := s.table.Load()
	if u := t.recall(mac); u != nil {
		return u, nil
	}
	acc, known := t.accounts[name]
	pass := t.nobody
	if known {
		pass = acc.pass
	}
	s.slots <- struct{}{}
	right := pass.verify(password, t.cost, s.derive)
	<-s.slots
	if !right || !known {
		return nil, ErrWrong
	}
	t.remember(mac, &acc.user)
	return &acc.user, nil
}

// mac names a pair of user and password in the cache without keeping either.
func (s *Users) mac(name, password string) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.macKey[:])
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(name)))
	h.Write(n[:])
	io.WriteString(h, name)
	io.WriteString(h, password)
	h.Sum(out[:0])
	return out
}

func (t *table) recall(mac [sha256.Size]byte) *User {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remembered[mac]
}

func (t *table) remember(mac [sha256.Size]byte, u *User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.remembered) >= maxRemembered {
		for k := range t.remembered {
			delete(t.remembered, k)
			break
		}
	}
	t.remembered[mac] = u
}
