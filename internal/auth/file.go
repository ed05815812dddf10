package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	toml "github.com/pelletier/go-toml/v2"
)

const (
	maxFileBytes = 1 << 20
	maxUsers     = 10_000
	maxNameBytes = 64
	maxPrefixes  = 256
)

// account is a user with the password that proves it.
type account struct {
	user User
	pass stored
}

// fileUser is one [users.NAME] table.
type fileUser struct {
	Role     string    `toml:"role"`
	Password string    `toml:"password"`
	Prefixes *[]string `toml:"prefixes"`
}

// parse reads a users file. path is for errors. No error quotes a value: any
// string of the file may be a password in the wrong place.
func parse(path string, data []byte) (map[string]*account, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s: %d bytes are too many for a users file (limit %d)", path, len(data), maxFileBytes)
	}
	var file struct {
		Users map[string]fileUser `toml:"users"`
	}
	dec := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %s", path, describe(err))
	}
	if len(file.Users) == 0 {
		return nil, fmt.Errorf("%s: holds no user: add one, as [users.NAME] with role and password", path)
	}
	if len(file.Users) > maxUsers {
		return nil, fmt.Errorf("%s: %d users are too many (limit %d)", path, len(file.Users), maxUsers)
	}
	accounts := make(map[string]*account, len(file.Users))
	for name, fu := range file.Users {
		a, err := fu.account(name)
		if err != nil {
			return nil, fmt.Errorf("%s: user %q: %w", path, name, err)
		}
		accounts[name] = a
	}
	return accounts, nil
}

// describe says what is wrong with the file's form and where, in words of its
// own: the parser's may quote the line.
func describe(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		line, _ := strict.Errors[0].Position()
		return fmt.Sprintf("line %d: unknown key: a user is [users.NAME] with role, password and prefixes", line)
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, _ := at.Position()
		return fmt.Sprintf("line %d is not valid TOML, or its value has the wrong type (role and password are strings, prefixes is a list of strings)", line)
	}
	return "not valid TOML"
}

func (fu fileUser) account(name string) (*account, error) {
	if name == "" || len(name) > maxNameBytes || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("the name must have 1 to %d bytes and no spaces", maxNameBytes)
	}
	role, err := parseRole(fu.Role)
	if err != nil {
		return nil, errors.New("role must be read, write or admin")
	}
	pass, err := parseStored(fu.Password)
	if err != nil {
		return nil, err
	}
	a := &account{user: User{Name: name, Role: role}, pass: pass}
	if fu.Prefixes == nil {
		return a, nil
	}
	switch {
	case role == Admin:
		return nil, errors.New("an admin may touch every key: leave out prefixes, or lower the role")
	case len(*fu.Prefixes) == 0:
		return nil, errors.New("prefixes is empty: leave it out for all keys, or name some")
	case len(*fu.Prefixes) > maxPrefixes:
		return nil, fmt.Errorf("%d prefixes are too many (limit %d)", len(*fu.Prefixes), maxPrefixes)
	}
	for _, p := range *fu.Prefixes {
		if p == "" {
			return nil, errors.New("an empty prefix allows every key: leave out prefixes instead")
		}
		a.user.Prefixes = append(a.user.Prefixes, []byte(p))
	}
	return a, nil
}
