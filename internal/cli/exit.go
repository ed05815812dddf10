package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/loader"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// The exit codes of vega-client.
const (
	exitOK          = 0
	exitError       = 1   // anything that has no code of its own
	exitUsage       = 2   // the command line is wrong; nothing was sent
	exitNotFound    = 3   // the key has no entry
	exitCondition   = 4   // a condition does not hold: cas, --if-absent, …
	exitUnknown     = 5   // a write was sent and its outcome is not known
	exitUnreachable = 6   // no server answered; nothing was done
	exitDenied      = 7   // wrong credentials, or not allowed
	exitBusy        = 8   // refused or late, nothing was done: a retry is safe
	exitCheck       = 9   // a verification found wrong or lost data
	exitNotYet      = 10  // the cluster is not in the state that was asked for
	exitUndecided   = 11  // a check came to no verdict
	exitInterrupted = 130 // ended by Ctrl-C
)

// ExitCode describes one exit code, for the manual.
type ExitCode struct {
	Code    int
	Meaning string
}

// ExitCodes lists all exit codes.
func ExitCodes() []ExitCode {
	return []ExitCode{
		{exitOK, "success"},
		{exitError, "any other error"},
		{exitUsage, "the command line is wrong; nothing was sent"},
		{exitNotFound, "the key has no entry; there is no such node or setting"},
		{exitCondition, "a condition does not hold (cas, --if-absent, --if-present, --if-version), or a restore is not meant for this cluster"},
		{exitUnknown, "a write was sent and its outcome is not known: it may have taken effect"},
		{exitUnreachable, "no server could be reached; nothing was done"},
		{exitDenied, "wrong credentials, or the user may not do this"},
		{exitBusy, "refused or too late, and nothing was done: a retry is safe"},
		{exitCheck, "a verification found wrong or lost data (bench --verify, check, backup verify)"},
		{exitNotYet, "the cluster is not in the state asked for (cluster --check, --within)"},
		{exitUndecided, "a check came to no verdict"},
		{exitInterrupted, "ended by Ctrl-C"},
	}
}

// usageError is about the command line itself.
type usageError struct {
	err     error
	command string // whose --help explains it
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }

// checkError is a verification's finding.
type checkError struct {
	text string
	hint string // what to do; "" for a server that has lost data
}

func (e *checkError) Error() string { return e.text }

// silentError ends a command with an exit code; what there was to say has been said.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// explanation is an error as the user sees it.
type explanation struct {
	Exit    int    `json:"exit"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// answered tells that a node has answered that something cannot be served at
// present: the cluster is there, and a retry is safe.
func answered(err error) bool {
	failed, ok := errors.AsType[*client.Error](err)
	return ok && errors.Is(err, client.ErrUnavailable) && failed.Message != "" && !strings.HasPrefix(failed.Message, "not connected")
}

// statusCode maps what the server or the client library said to exit codes.
// The first that matches counts.
func statusCode(err error) int {
	if answered(err) {
		return exitBusy
	}
	for _, c := range []struct {
		target error
		code   int
	}{
		{client.ErrUnknownOutcome, exitUnknown},
		{client.ErrNotFound, exitNotFound},
		{client.ErrAlreadyExists, exitCondition}, {client.ErrConditionFailed, exitCondition}, {client.ErrVersionMismatch, exitCondition},
		{client.ErrUnauthenticated, exitDenied}, {client.ErrPermission, exitDenied},
		{context.Canceled, exitInterrupted}, {client.ErrCanceled, exitInterrupted},
		{client.ErrUnavailable, exitUnreachable},
		{client.ErrBusy, exitBusy}, {client.ErrTimeout, exitBusy},
		{client.ErrMemoryLimit, exitBusy}, {client.ErrNoSpace, exitBusy},
		{context.DeadlineExceeded, exitBusy},
	} {
		if errors.Is(err, c.target) {
			return c.code
		}
	}
	return exitError
}

// explain turns an error into an exit code, a message and what to try next.
func explain(err error, address string) explanation {
	var usage *usageError
	var check *checkError
	switch {
	case errors.As(err, &usage):
		e := explanation{Exit: exitUsage, Status: "USAGE", Message: usage.Error()}
		e.Hint = "see: " + strings.TrimSpace("vega-client "+usage.command) + " --help"
		return e
	case errors.As(err, &check):
		return explanation{Exit: exitCheck, Status: "CHECK_FAILED", Message: check.text,
			Hint: orElse(check.hint, "acknowledged data was lost or changed: keep the server's data directory and its log, and report this")}
	}
	var node *nodeError
	var notYet *notYetError
	var refused *refusedError
	switch {
	case errors.As(err, &node):
		return explanation{Exit: exitNotFound, Status: "NOT_FOUND", Message: node.text}
	case errors.As(err, &refused):
		return explanation{Exit: exitCondition, Status: "REFUSED", Message: refused.text, Hint: refused.hint}
	case errors.As(err, &notYet):
		return explanation{Exit: exitNotYet, Status: "NOT_YET", Message: notYet.text}
	}
	e := explanation{Exit: statusCode(err), Status: "ERROR", Message: plainMessage(err)}
	var failed *client.Error
	if errors.As(err, &failed) {
		e.Status = failed.Status.String()
	}
	var opErr *net.OpError
	var dnsErr *net.DNSError
	if e.Exit == exitError && (errors.As(err, &opErr) || errors.As(err, &dnsErr)) {
		e.Exit = exitUnreachable
	}
	if e.Exit == exitUnreachable {
		e.Status = "UNAVAILABLE"
		e.Message = fmt.Sprintf("cannot reach %s: %s", address, deepest(err))
	}
	e.Hint = hint(err, e.Exit)
	return e
}

// plainMessage leaves out what a user of the command line knows: the
// library's name and the operation it just typed.
func plainMessage(err error) string {
	var bad *loader.LineError
	if errors.As(err, &bad) {
		return fmt.Sprintf("%s:%d: %s", bad.File, bad.Line, plainMessage(bad.Err))
	}
	text := err.Error()
	var failed *client.Error
	if errors.As(err, &failed) {
		short := failed.Status.String()
		switch {
		case failed.Message == "":
		case failed.Op == wire.OpAdmin.Name() && statusCode(err) != exitUnknown:
			short = failed.Message // a sentence of its own
		default:
			short += ": " + failed.Message
		}
		if failed.Cause != nil {
			short += ": " + failed.Cause.Error()
		}
		if errors.Is(err, client.ErrVersionMismatch) {
			short = fmt.Sprintf("the entry has version %d", failed.Version)
			if failed.Version == 0 {
				short = "there is no entry"
			}
		}
		text = strings.Replace(text, failed.Error(), short, 1)
	}
	return text
}

// deepest gives the innermost reason, which says most: "connection refused".
func deepest(err error) string {
	var failed *client.Error
	var tlsErr *tls.CertificateVerificationError
	switch {
	case errors.As(err, &tlsErr):
		return tlsErr.Error()
	case errors.As(err, &failed) && failed.Cause == nil && failed.Message != "":
		return failed.Message
	}
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		return strings.TrimPrefix(opErr.Err.Error(), "connect: ")
	}
	if failed != nil && failed.Cause != nil {
		return failed.Cause.Error()
	}
	return err.Error()
}

// hint says what to try next; "" where the message says it all.
func hint(err error, code int) string {
	var unknownCA x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknownCA):
		return "name the CA that signed the server's certificate: --tls-ca FILE"
	case errors.As(err, &hostname):
		return "the certificate is for another name: use that name in --addr, or give it with --tls-server-name"
	case errors.As(err, &record):
		return "the server does not speak TLS there: leave out --tls"
	case errors.Is(err, client.ErrUnauthenticated):
		return "give --user and the password in VEGA_PASSWORD or --password-file"
	case errors.Is(err, client.ErrPermission):
		return "the users file of the server says what each user may do"
	case errors.Is(err, client.ErrProtocol):
		return "is this VegaDB's data port? A server with TLS needs --tls"
	case errors.Is(err, client.ErrMemoryLimit):
		return "delete entries, let them expire, or raise the server's --memory-limit"
	case errors.Is(err, client.ErrNoSpace):
		return "free space on the server's disk; writes go on by themselves then"
	case errors.Is(err, client.ErrTooLarge):
		return "the server's limits are in its --help: --max-value-bytes and others"
	}
	switch code {
	case exitUnreachable:
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return "something answers there and hangs up: is it the data port (8342 by default), and not the port for peers or for metrics?"
		}
		return "is the server running? Start one with vega-server, or name another with --addr HOST:PORT or VEGA_ADDR"
	case exitUnknown:
		if failed, ok := errors.AsType[*client.Error](err); ok && failed.Op == wire.OpAdmin.Name() {
			return "repeat the command: to do it twice is harmless"
		}
		return "read the key to see whether the write took effect before repeating it"
	case exitBusy:
		return "nothing was done: try again, or allow more time with --timeout"
	}
	return ""
}

// report shows an error on standard error and returns the exit code.
func (a *app) report(err error) int {
	var silent *silentError
	switch {
	case errors.As(err, &silent):
		return silent.code
	case errors.Is(err, syscall.EPIPE):
		return exitOK // whoever reads the output has had enough: scan | head
	}
	e := explain(err, a.session.conn.address)
	if a.json {
		a.reportJSON(e)
		return e.Exit
	}
	if e.Exit == exitInterrupted {
		fmt.Fprintln(a.env.Err, "interrupted")
		return e.Exit
	}
	name := "vega-client: "
	if a.session.shell {
		name = ""
	}
	fmt.Fprintf(a.env.Err, "%s%s\n", name, a.errStyle().red(e.Message))
	if e.Hint != "" {
		fmt.Fprintf(a.env.Err, "%s%s\n", strings.Repeat(" ", len(name)), a.errStyle().dim(e.Hint))
	}
	return e.Exit
}

func (a *app) reportJSON(e explanation) {
	writeJSON(a.env.Err, map[string]explanation{"error": e})
}

// writeJSON writes v on one line. What cannot be written, such as to a closed
// pipe, cannot be reported either.
func writeJSON(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
