package auth

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The text of a stored password:
//
//	pbkdf2-sha256$<iterations>$<salt>$<hash>
//
// with salt and hash in unpadded standard base64.
const (
	scheme        = "pbkdf2-sha256"
	iterations    = 600_000 // OWASP's advice for PBKDF2-HMAC-SHA256
	minIterations = 10_000
	maxIterations = 20_000_000 // above, one login would hold a CPU for seconds
	saltBytes     = 16
	hashBytes     = sha256.Size
	maxPassword   = 1024
)

// Hash returns the text to store for password in the users file.
func Hash(password string) (string, error) { return HashIterations(password, iterations) }

// HashIterations is Hash with a cost of the caller's choice, from 10,000
// iterations. Only tests have a reason to go below Hash.
func HashIterations(password string, n int) (string, error) {
	if password == "" {
		return "", errors.New("the password is empty")
	}
	if len(password) > maxPassword {
		return "", fmt.Errorf("the password has %d bytes: at most %d are allowed", len(password), maxPassword)
	}
	if n < minIterations || n > maxIterations {
		return "", fmt.Errorf("%d iterations are outside %d to %d", n, minIterations, maxIterations)
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("no random salt: %w", err)
	}
	sum, err := derive(password, salt, n)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%s$%d$%s$%s", scheme, n, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

func derive(password string, salt []byte, n int) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, n, hashBytes)
}

// stored is a parsed password hash.
type stored struct {
	iterations int
	salt, hash []byte
}

// parseStored reads what Hash wrote. Its errors never quote the text: it may
// be a password that somebody forgot to hash.
func parseStored(text string) (stored, error) {
	parts := strings.Split(text, "$")
	if parts[0] != scheme || len(parts) != 4 {
		return stored{}, errors.New("the password is not a hash: store the text that `vega-server hash-password` prints")
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < minIterations || n > maxIterations {
		return stored{}, fmt.Errorf("the password hash's iterations are not a number from %d to %d", minIterations, maxIterations)
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(salt) < saltBytes || len(salt) > 64 {
		return stored{}, errors.New("the password hash's salt is damaged: make a new one with `vega-server hash-password`")
	}
	hash, err := base64.RawStdEncoding.Strict().DecodeString(parts[3])
	if err != nil || len(hash) != hashBytes {
		return stored{}, errors.New("the password hash is cut short or damaged: make a new one with `vega-server hash-password`")
	}
	return stored{n, salt, hash}, nil
}

// verify compares password with s. It derives cost iterations in all, whatever
// s asks for, so that its duration does not tell users apart. deriver is
// derive, or a test's counter.
func (s stored) verify(password string, cost int, deriver deriveFunc) bool {
	sum, err := deriver(password, s.salt, s.iterations)
	if err != nil {
		return false
	}
	if pad := cost - s.iterations; pad > 0 {
		if _, err := deriver(password, s.salt, pad); err != nil {
			return false
		}
	}
	return subtle.ConstantTimeCompare(sum, s.hash) == 1
}

type deriveFunc func(password string, salt []byte, n int) ([]byte, error)
