package auth

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hash is a cheap stored password for tests.
func hash(t testing.TB, password string) string {
	t.Helper()
	text, err := HashIterations(password, minIterations)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUsersFileGivesRolesAndPrefixes(t *testing.T) {
	h := hash(t, "x")
	accounts, err := parse("u", []byte(fmt.Sprintf(`
# who may do what
[users.default]
role = "admin"
password = %[1]q

[users."o'neil"]
role = "read"
password = %[1]q

[users.shop]
role = "write"
password = %[1]q
prefixes = ["shop:", "cart:"]
`, h)))
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts) != 3 {
		t.Fatalf("%d users", len(accounts))
	}
	shop, def, neil := &accounts["shop"].user, &accounts["default"].user, &accounts["o'neil"].user
	if shop.Name != "shop" || shop.Role != Write || shop.AllKeys() || !shop.AllowsKey([]byte("cart:1")) || shop.AllowsKey([]byte("car")) {
		t.Errorf("%+v", shop)
	}
	if def.Role != Admin || !def.AllKeys() || !def.AllowsKey(nil) {
		t.Errorf("%+v", def)
	}
	if neil.Role != Read || !neil.AllKeys() {
		t.Errorf("%+v", neil)
	}
}

func TestRolesIncludeTheOnesBelow(t *testing.T) {
	for role, want := range map[Role][3]bool{Read: {true, false, false}, Write: {true, true, false}, Admin: {true, true, true}, 0: {}} {
		u := &User{Role: role}
		if got := [3]bool{u.MayRead(), u.MayWrite(), u.MayAdmin()}; got != want {
			t.Errorf("%s may read, write, admin: %v, want %v", role, got, want)
		}
	}
	if u := Everybody(); u.Name != "default" || !u.MayAdmin() || !u.AllKeys() {
		t.Errorf("%+v", u)
	}
}

func TestKeyChecksDoNotAllocate(t *testing.T) {
	u := &User{Role: Write, Prefixes: [][]byte{[]byte("a:"), []byte("b:")}}
	key := []byte("b:key")
	if n := testing.AllocsPerRun(100, func() {
		if !u.AllowsKey(key) || !u.MayWrite() {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations per check", n)
	}
}

func TestBadUsersFilesAreRefusedWithAReasonAndNoSecret(t *testing.T) {
	const secret = "hunter2-hunter2"
	h := hash(t, "x")
	user := func(lines ...string) string { return "[users.a]\n" + strings.Join(lines, "\n") + "\n" }
	role, pass := `role = "read"`, `password = "`+h+`"`
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                    {"", "holds no user"},
		"no users":                 {"[users]\n", "holds no user"},
		"plain text password":      {user(role, `password = "`+secret+`"`), "hash-password"},
		"no password":              {user(role), "hash-password"},
		"no role":                  {user(pass), "role must be"},
		"unknown role":             {user(`role = "`+secret+`"`, pass), "role must be"},
		"unknown key":              {user(role, pass, `passwrod = "`+secret+`"`), "line 4: unknown key"},
		"unknown section":          {user(role, pass) + "[user.b]\nx = \"" + secret + "\"\n", "unknown key"},
		"unquoted password":        {user(role, `password = `+secret), "line 3"},
		"unclosed password":        {user(role, `password = "`+secret), "line 3"},
		"password of a wrong type": {user(role, `password = ["`+secret+`"]`), "line 3"},
		"user twice":               {user(role, pass) + user(role, pass), "line 4"},
		"admin with prefixes":      {user(`role = "admin"`, pass, `prefixes = ["a"]`), "prefixes"},
		"no prefix":                {user(role, pass, `prefixes = []`), "prefixes is empty"},
		"empty prefix":             {user(role, pass, `prefixes = [""]`), "empty prefix"},
		"name with space":          {"[users.\"a b\"]\n" + role + "\n" + pass, "name"},
		"empty name":               {"[users.\"\"]\n" + role + "\n" + pass, "name"},
		"long name":                {"[users." + strings.Repeat("a", 65) + "]\n" + role + "\n" + pass, "name"},
		"many prefixes":            {user(role, pass, `prefixes = [`+strings.Repeat(`"a",`, 257)+`]`), "too many"},
		"huge":                     {strings.Repeat("#\n", maxFileBytes), "too many"},
	} {
		_, err := parse("users.toml", []byte(tc.text))
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case !strings.HasPrefix(err.Error(), "users.toml: ") || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %q is not one line with %q", name, err, tc.want)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// FuzzUsersFile promises that no file makes the parser panic or spend memory
// without bound, and that every user it accepts can be judged.
func FuzzUsersFile(f *testing.F) {
	h := hash(f, "x")
	f.Add([]byte("[users.a]\nrole = \"write\"\npassword = \"" + h + "\"\nprefixes = [\"x\", \"y\"]\n"))
	f.Add([]byte("users = {a = {role = 'admin', password = '" + h + "'}}"))
	f.Add([]byte("[users.a.b.c]\n[[users]]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		accounts, err := parse("u", data)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<20 {
			t.Errorf("%d bytes of file cost %d bytes of memory", len(data), spent)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("error of several lines: %q", err)
		}
		for name, a := range accounts {
			if a.user.Name != name || !a.user.MayRead() || a.pass.iterations < minIterations || len(a.pass.hash) != hashBytes {
				t.Errorf("accepted: %+v", a)
			}
		}
	})
}
