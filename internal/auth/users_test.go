package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// someUsers loads a users file that holds alice (write, password "wonder") and
// bob (read, password "build", twice the iterations), and counts iterations.
func someUsers(t *testing.T) (s *Users, fs vfs.FS, spent *atomic.Int64) {
	t.Helper()
	fs = vfs.NewMem()
	slow, err := HashIterations("build", 2*minIterations)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, fs, "users.toml", fmt.Sprintf("[users.alice]\nrole = \"write\"\npassword = %q\n[users.bob]\nrole = \"read\"\npassword = %q\n",
		hash(t, "wonder"), slow))
	s, err = Load(fs, "users.toml")
	if err != nil {
		t.Fatal(err)
	}
	spent = new(atomic.Int64)
	s.derive = func(password string, salt []byte, n int) ([]byte, error) {
		spent.Add(int64(n))
		return derive(password, salt, n)
	}
	return s, fs, spent
}

func writeFile(t *testing.T, fs vfs.FS, name, text string) {
	t.Helper()
	f, err := fs.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheRightPasswordOfAKnownUserGetsIn(t *testing.T) {
	s, _, _ := someUsers(t)
	for _, tc := range []struct {
		name, password string
		want           bool
	}{
		{"alice", "wonder", true}, {"bob", "build", true}, {"alice", "build", false}, {"bob", "wonder", false},
		{"carol", "wonder", false}, {"alice", "", false}, {"", "", false}, {"", "wonder", false}, {"default", "wonder", false},
		{"ALICE", "wonder", false}, {"alicew", "onder", false}, {"alice", string(make([]byte, 20<<10)), false},
	} {
		for range 2 { // the second time may be remembered
			u, err := s.Authenticate(tc.name, tc.password)
			if (err == nil) != tc.want || (u != nil) != tc.want {
				t.Errorf("%s with %.10q: %v, %v", tc.name, tc.password, u, err)
			}
			if !tc.want && !errors.Is(err, ErrWrong) {
				t.Errorf("%s with %.10q: the error %v tells more than ErrWrong", tc.name, tc.password, err)
			}
			if u != nil && u.Name != tc.name {
				t.Errorf("%s got in as %s", tc.name, u.Name)
			}
		}
	}
}

// Time would be a noisy witness; the number of iterations is what the time is
// made of.
func TestAnUnknownUserCostsAsMuchAsAWrongPassword(t *testing.T) {
	s, _, spent := someUsers(t)
	for _, tc := range [][2]string{{"alice", "bad"}, {"bob", "bad"}, {"nobody", "bad"}, {"alice", "wonder"}, {"bob", "build"}} {
		spent.Store(0)
		s.Authenticate(tc[0], tc[1])
		if got := spent.Load(); got != 2*minIterations {
			t.Errorf("login of %s with %s cost %d iterations, want %d", tc[0], tc[1], got, 2*minIterations)
		}
	}
}

func TestARepeatedLoginIsRememberedAndAFailureIsNot(t *testing.T) {
	s, _, spent := someUsers(t)
	for i := range 3 {
		spent.Store(0)
		if _, err := s.Authenticate("alice", "wonder"); err != nil {
			t.Fatal(err)
		}
		if (spent.Load() == 0) != (i > 0) {
			t.Errorf("login %d cost %d iterations", i, spent.Load())
		}
		spent.Store(0)
		s.Authenticate("alice", "bad")
		if spent.Load() == 0 {
			t.Error("a wrong password cost nothing: it can be guessed fast")
		}
	}
}

func TestRememberedLoginsAreBounded(t *testing.T) {
	tab := &table{remembered: map[[32]byte]*User{}}
	for i := range 2 * maxRemembered {
		tab.remember([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, &User{})
	}
	if len(tab.remembered) != maxRemembered {
		t.Errorf("%d logins are remembered", len(tab.remembered))
	}
}

func TestReloadReplacesAllUsersOrNone(t *testing.T) {
	s, fs, _ := someUsers(t)
	if _, err := s.Authenticate("alice", "wonder"); err != nil {
		t.Fatal(err)
	}
	gen := s.Generation()

	writeFile(t, fs, "users.toml", "[users.alice]\nrole = \"read\"\npassword = \"forgot to hash\"\n")
	if err := s.Reload(); err == nil {
		t.Fatal("a bad file is taken")
	}
	if _, err := s.Authenticate("alice", "wonder"); err != nil || s.Len() != 2 || s.Generation() != gen {
		t.Errorf("a bad file changed something: %v, %d users", err, s.Len())
	}
	if err := fs.Remove("users.toml"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Fatal("a missing file is taken")
	}

	writeFile(t, fs, "users.toml", fmt.Sprintf("[users.alice]\nrole = \"read\"\npassword = %q\n", hash(t, "changed")))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate("alice", "wonder"); !errors.Is(err, ErrWrong) {
		t.Errorf("the old password, which was remembered, still works: %v", err)
	}
	if u, err := s.Authenticate("alice", "changed"); err != nil || u.MayWrite() {
		t.Errorf("%+v, %v", u, err)
	}
	if u, now := s.Current("alice"); u == nil || u.Role != Read || now == gen || now != s.Generation() {
		t.Errorf("Current(alice) = %+v, %d", u, now)
	}
	if u, _ := s.Current("bob"); u != nil {
		t.Error("bob was removed and is still there")
	}
}

func TestConcurrentEqualLoginsAreOneAttempt(t *testing.T) {
	s, _, _ := someUsers(t)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	s.derive = func(password string, salt []byte, n int) ([]byte, error) {
		entered <- struct{}{}
		<-release
		return derive(password, salt, n)
	}
	l := NewLimiter(1, time.Now)
	addr := netip.MustParseAddr("192.0.2.1")
	var wg sync.WaitGroup
	login := func() {
		if _, err := s.Login(l, addr, "bob", "build"); err != nil {
			t.Errorf("one of a pool that opens together is refused: %v", err)
		}
	}
	wg.Go(login)
	<-entered
	for range 50 {
		wg.Go(login)
	}
	close(release)
	wg.Wait()
	if len(s.attempts) != 0 {
		t.Errorf("%d attempts are left over", len(s.attempts))
	}
}

func TestFailuresLockAnAddressOutEvenWithTheRightPassword(t *testing.T) {
	s, _, spent := someUsers(t)
	now := time.Unix(1000, 0)
	l := NewLimiter(3, func() time.Time { return now })
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range 10 {
		if _, err := s.Login(l, good, "alice", "wonder"); err != nil {
			t.Fatalf("logins that succeed are limited: %v", err)
		}
	}
	for range 3 {
		if _, err := s.Login(l, bad, "alice", "guess"); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	spent.Store(0)
	var limited *LimitedError
	if _, err := s.Login(l, bad, "alice", "wonder"); !errors.As(err, &limited) || limited.RetryAfter != 20*time.Second {
		t.Errorf("after three failures: %v", err)
	}
	if spent.Load() != 0 {
		t.Error("a limited address still costs derivations")
	}
	if _, err := s.Login(l, good, "alice", "wonder"); err != nil {
		t.Errorf("another address is limited too: %v", err)
	}
	now = now.Add(20 * time.Second)
	if _, err := s.Login(l, bad, "alice", "wonder"); err != nil {
		t.Errorf("after the time it was told to wait: %v", err)
	}
}

func BenchmarkRememberedLogin(b *testing.B) {
	fs := vfs.NewMem()
	f, _ := fs.Create("u")
	fmt.Fprintf(f, "[users.a]\nrole = \"read\"\npassword = %q\n", hash(b, "x"))
	f.Close()
	s, err := Load(fs, "u")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate("a", "x"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDerivation(b *testing.B) {
	for b.Loop() {
		derive("password", make([]byte, saltBytes), iterations)
	}
}
