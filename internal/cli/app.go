package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/prakashpandey/vegadb/client"
)

// Env is the world a command runs in.
type Env struct {
	Args     []string // without the program's name
	In       io.Reader
	Out, Err io.Writer
	// Whether the streams are terminals.
	InTerminal, OutTerminal, ErrTerminal bool
	Getenv                               func(string) string
	// Width and Height return the columns and lines of the terminal.
	Width, Height func() int
	Now           func() time.Time
	// Seed returns a random number for what is not given a seed.
	Seed func() uint64
	// ReadPassword asks on the terminal, without echo.
	ReadPassword func(prompt string) (string, error)
	// NewLineEditor starts line editing on the terminal, for the shell.
	NewLineEditor func(complete completer) lineEditor
	// Keys gives single keys of the terminal, without echo, until it is closed.
	Keys func() (io.ReadCloser, error)
	// Interruptible returns a context that ends with Ctrl-C.
	Interruptible func(context.Context) (context.Context, context.CancelFunc)
}

// DefaultAddress is where a server listens unless told otherwise.
const DefaultAddress = "127.0.0.1:8342"

// session is what the lines of a shell share: where the server is, and the
// client, once it was needed.
type session struct {
	env    *Env
	shell  bool
	conn   connection
	client *client.Client // nil: not needed yet

	clientTimeout time.Duration // what client was opened with

	base    context.Context    // does not end with Ctrl-C
	release context.CancelFunc // gives Ctrl-C back its usual meaning
}

// connection says how to reach the server.
type connection struct {
	address      string
	user         string
	passwordFile string
	useTLS       bool
	caFile       string
	certFile     string
	keyFile      string
	serverName   string
	connections  int           // of the native client; 0: its default
	timeout      time.Duration // of the shell's lines, unless they say otherwise; 0: the default
}

// app is one command line being carried out.
type app struct {
	env     *Env
	session *session
	json    bool
	noColor bool
	timeout time.Duration
}

// Run carries out env.Args and returns the exit code.
func Run(ctx context.Context, env *Env) int {
	s := &session{env: env}
	defer s.close()
	s.base = ctx
	ctx, s.release = env.Interruptible(ctx)
	defer s.release()
	return s.run(ctx, env.Args)
}

// run carries out one command line.
func (s *session) run(ctx context.Context, args []string) int {
	a := &app{env: s.env, session: s}
	root := newRoot(a)
	root.SetArgs(protectNegative(args))
	root.SetIn(s.env.In)
	root.SetOut(s.env.Out)
	root.SetErr(s.env.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage *usageError
	if errors.As(err, &usage) && usage.command == "" && cmd != nil {
		usage.command = strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), "vega-client"))
	}
	var silent *silentError
	if ctx.Err() != nil && statusCode(err) != exitUnknown && !errors.As(err, &silent) {
		err = context.Canceled // whatever else went wrong is a consequence
	}
	return a.report(err)
}

func (s *session) close() {
	if s.client != nil {
		_ = s.client.Close() // the commands are over: their errors have been reported
		s.client = nil
	}
}

// bindConnection declares the flags that say where the server is.
func (s *session) bindConnection(flags *pflag.FlagSet) {
	c := &s.conn
	flags.StringVar(&c.address, "addr", orElse(s.env.Getenv("VEGA_ADDR"), DefaultAddress), "server's `HOST:PORT`; of a cluster: of some nodes, with commas between (env VEGA_ADDR)")
	flags.StringVar(&c.user, "user", s.env.Getenv("VEGA_USER"), "user `NAME` (env VEGA_USER); the password comes from VEGA_PASSWORD, --password-file or a prompt")
	flags.StringVar(&c.passwordFile, "password-file", "", "read the password from the first line of `FILE`")
	flags.BoolVar(&c.useTLS, "tls", false, "use TLS, trusting the system's CAs")
	flags.StringVar(&c.caFile, "tls-ca", "", "use TLS, trusting the CAs in `FILE` (PEM)")
	flags.StringVar(&c.certFile, "tls-cert", "", "client certificate `FILE` (PEM)")
	flags.StringVar(&c.keyFile, "tls-key", "", "key `FILE` of the client certificate (PEM)")
	flags.StringVar(&c.serverName, "tls-server-name", "", "`NAME` to expect in the server's certificate instead of the host in --addr")
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// bindOutput declares the flags that every command line has, in the shell too.
func (a *app) bindOutput(flags *pflag.FlagSet) {
	usual := a.session.conn.timeout // in the shell: its own command line's
	if usual == 0 {
		usual = 5 * time.Second
	}
	flags.DurationVar(&a.timeout, "timeout", usual, "longest time to wait for each request")
	flags.BoolVar(&a.json, "json", false, "print results and errors as JSON, one object per line")
	flags.BoolVar(&a.noColor, "no-color", a.env.Getenv("NO_COLOR") != "", "no colours (env NO_COLOR)")
}

// db returns the client, connecting at the first call.
func (a *app) db(ctx context.Context) (*client.Client, error) {
	s := a.session
	if s.client != nil && s.clientTimeout != a.timeout {
		s.close() // a line of the shell asks for another time limit
	}
	if s.client != nil {
		return s.client, nil
	}
	s.clientTimeout = a.timeout
	options, err := s.options(a.timeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, options.DialTimeout)
	defer cancel()
	s.client, err = client.Open(ctx, options)
	return s.client, err
}

// options turns the flags into those of the client library.
func (s *session) options(timeout time.Duration) (client.Options, error) {
	o := client.Options{
		Addresses: strings.Split(s.conn.address, ","), Username: s.conn.user, Name: "vega-client",
		Timeout: timeout, DialTimeout: timeout, Connections: s.conn.connections,
	}
	for i, address := range o.Addresses {
		o.Addresses[i] = strings.TrimSpace(address)
		if !strings.Contains(address, ":") {
			return o, usagef("--addr %s has no port: write HOST:PORT, for example %s", address, DefaultAddress)
		}
	}
	var err error
	if o.Password, err = s.password(); err != nil {
		return o, err
	}
	o.TLS, err = s.conn.tls()
	return o, err
}

// password finds the password where it cannot be seen in the list of
// processes: there is no flag for it.
func (s *session) password() (string, error) {
	if s.conn.passwordFile != "" {
		return s.readPasswordFile()
	}
	if p := s.env.Getenv("VEGA_PASSWORD"); p != "" {
		return p, nil
	}
	if s.conn.user == "" {
		return "", nil
	}
	if !s.env.InTerminal || !s.env.ErrTerminal {
		return "", usagef("--user %s needs a password: set VEGA_PASSWORD or use --password-file", s.conn.user)
	}
	return s.env.ReadPassword(fmt.Sprintf("Password of %s at %s: ", s.conn.user, s.conn.address))
}

func (s *session) readPasswordFile() (string, error) {
	name := s.conn.passwordFile
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(s.env.Err, "vega-client: warning: others may read %s; use: chmod 600 %s\n", name, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// tls returns nil when no flag asks for TLS.
func (c *connection) tls() (*tls.Config, error) {
	if !c.useTLS && c.caFile == "" && c.certFile == "" && c.serverName == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	if c.caFile != "" {
		text, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-ca: there is no PEM certificate in %s", c.caFile)
		}
	}
	if (c.certFile == "") != (c.keyFile == "") {
		return nil, usagef("--tls-cert and --tls-key belong together")
	}
	if c.certFile != "" {
		pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// exactly is cobra.ExactArgs with an error that names what is missing.
func exactly(names ...string) cobra.PositionalArgs { return between(len(names), names...) }

// between allows from least arguments to as many as there are names.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef("%q is one argument too many; quote what contains spaces", args[len(names)])
		}
		return nil
	}
}

// exclusive refuses more than one of the named flags.
func exclusive(cmd *cobra.Command, names ...string) {
	earlier := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var set []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				set = append(set, "--"+name)
			}
		}
		if len(set) > 1 {
			return usagef("%s exclude each other", strings.Join(set, " and "))
		}
		if earlier != nil {
			return earlier(cmd, args)
		}
		return nil
	}
}
