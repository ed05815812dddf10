package auth

import (
	"strings"
	"testing"
)

func TestHashVerifiesItsPasswordAndNoOther(t *testing.T) {
	for _, password := range []string{"x", "correct horse", "pass$word$", "пароль", "nul\x00inside", strings.Repeat("x", maxPassword)} {
		text, err := HashIterations(password, minIterations)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseStored(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !s.verify(password, minIterations, derive) {
			t.Errorf("the password %q is not accepted", password)
		}
		for _, wrong := range []string{"", password + "x", password[1:], strings.ToUpper(password) + " "} {
			if s.verify(wrong, minIterations, derive) {
				t.Errorf("%q is accepted for %q", wrong, password)
			}
		}
	}
}

func TestHashIsSaltedAndCostly(t *testing.T) {
	a, err := Hash("same")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Hash("same")
	if a == b {
		t.Error("two hashes of one password are equal: no salt")
	}
	if !strings.HasPrefix(a, "pbkdf2-sha256$600000$") {
		t.Errorf("%s does not carry its scheme and cost", a)
	}
	if _, err := Hash(""); err == nil {
		t.Error("an empty password is hashed")
	}
	if _, err := Hash(strings.Repeat("x", maxPassword+1)); err == nil {
		t.Error("a password that no login can carry is hashed")
	}
	if _, err := HashIterations("x", minIterations-1); err == nil {
		t.Error("a cheap hash is made")
	}
}

func TestDamagedHashesAreRefusedWithoutBeingQuoted(t *testing.T) {
	good, err := HashIterations("x", minIterations)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, "$")
	for _, text := range []string{
		"", "my-secret", "$$$", "md5$" + strings.Join(parts[1:], "$"), strings.Join(parts[:3], "$"), good + "$", good[:len(good)-1], good + "A",
		parts[0] + "$1$" + parts[2] + "$" + parts[3], parts[0] + "$99999999999999999999$" + parts[2] + "$" + parts[3],
		parts[0] + "$600000$AA$" + parts[3], parts[0] + "$600000$" + parts[2] + "$", parts[0] + "$-1$" + parts[2] + "$" + parts[3],
		parts[0] + "$600000$my-secret$" + parts[3],
	} {
		_, err := parseStored(text)
		if err == nil {
			t.Errorf("%q is accepted", text)
		} else if strings.Contains(err.Error(), "my-secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
