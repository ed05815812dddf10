package auth

import (
	"bytes"
	"fmt"
)

// Role is what a user may do; each role includes those below it.
type Role uint8

// The roles, weakest first.
const (
	Read  Role = iota + 1 // read keys
	Write                 // and change them
	Admin                 // and configure, inspect and stop the server
)

// String is the role's word in the users file.
func (r Role) String() string {
	switch r {
	case Read:
		return "read"
	case Write:
		return "write"
	case Admin:
		return "admin"
	default:
		return fmt.Sprintf("Role(%d)", uint8(r))
	}
}

func parseRole(text string) (Role, error) {
	for _, r := range []Role{Read, Write, Admin} {
		if r.String() == text {
			return r, nil
		}
	}
	return 0, fmt.Errorf("role %q is not one of read, write, admin", text)
}

// User is somebody who has logged in. It never changes once made: a reload
// makes new ones.
type User struct {
	Name     string
	Role     Role
	Prefixes [][]byte // of the keys it may touch; empty: all keys
}

// DefaultName is the user that AUTH with a password alone, and HELLO without
// AUTH, stand for.
const DefaultName = "default"

// Everybody is the user of every connection to a server without a users file.
func Everybody() *User { return &User{Name: DefaultName, Role: Admin} }

// MayRead reports whether the user may read keys (those AllowsKey allows).
func (u *User) MayRead() bool { return u.Role >= Read }

// MayWrite reports whether the user may change keys (those AllowsKey allows).
func (u *User) MayWrite() bool { return u.Role >= Write }

// MayAdmin reports whether the user may configure, inspect and stop the server.
func (u *User) MayAdmin() bool { return u.Role >= Admin }

// AllKeys reports whether no prefix limits the user: what touches the whole
// keyspace at once (FLUSHALL) needs it.
func (u *User) AllKeys() bool { return len(u.Prefixes) == 0 }

// AllowsKey reports whether key is within the user's prefixes.
func (u *User) AllowsKey(key []byte) bool {
	if len(u.Prefixes) == 0 {
		return true
	}
	for _, p := range u.Prefixes {
		if bytes.HasPrefix(key, p) {
			return true
		}
	}
	return false
}
