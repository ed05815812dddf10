package program

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/version"
)

// Program is a program whose settings are a T. Its name is its table's.
type Program[T any] struct {
	Table *config.Table[T]
	Short string // one line
	Help  Help

	Environ        []string // as os.Environ
	ReadFile       func(string) ([]byte, error)
	Stdin          io.Reader // nil: that of the process
	Stdout, Stderr io.Writer
}

// Help is what --help says besides the commands and the settings.
type Help struct {
	Usage    string // what the program is for and how it is called
	Examples string // with what a setting can be, under the heading
	Flags    string // those that are no settings
}

// Execute runs the command that args, without the program's name, ask for and returns the
// exit code.
func (p *Program[T]) Execute(root *cobra.Command, args []string) int {
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	if err := root.Execute(); err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", p.Table.Program, OneLine(err.Error()))
		return 1
	}
	return 0
}

// OneLine joins the lines of errors that come from elsewhere.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// Root is the program without a command: it has the settings as flags, and calls run with
// those in effect.
func (p *Program[T]) Root(run func(cmd *cobra.Command, settings T) error) *cobra.Command {
	root := &cobra.Command{
		Use:               p.Table.Program,
		Short:             p.Short,
		Version:           version.Release,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate(p.Table.Program + " {{.Version}}\n")
	p.Table.AddFlags(root.Flags())
	root.Flags().SortFlags = false
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return p.Table.FlagError(err) })
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return fmt.Errorf("unknown command %q%s", args[0], config.Suggestion(args[0], names))
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, _, err := p.Table.Resolve(cmd.Flags(), p.Environ, p.ReadFile)
		if err != nil {
			return err
		}
		return run(cmd, settings)
	}
	plain := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			io.WriteString(p.Stdout, p.help(root))
			return
		}
		plain(cmd, args)
	})
	return root
}

// help is what --help prints.
func (p *Program[T]) help(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(p.Help.Usage)
	b.WriteString("\nCommands:\n")
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" {
			fmt.Fprintf(&b, "  %-34s  %s\n", c.Use, c.Short)
		}
	}
	b.WriteString("\nExamples:\n")
	b.WriteString(p.Help.Examples)
	b.WriteString("\n  --config file                       TOML file of settings\n")
	b.WriteString(p.Help.Flags)
	b.WriteString("  --help                              this text\n\n")
	b.WriteString(p.Table.Help())
	return b.String()
}

// Config is the command that prints the settings in effect. what the program runs is in
// long's first line; example may be empty.
func (p *Program[T]) Config(long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config [settings]",
		Short:   "print the settings in effect and where each came from, as a file",
		Long:    long,
		Example: example,
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, from, err := p.Table.Resolve(cmd.Flags(), p.Environ, p.ReadFile)
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.Stdout, p.Table.FileText(&settings, from))
			return err
		},
	}
	p.Table.AddFlags(cmd.Flags())
	return cmd
}

// Version is the command that prints the version.
func (p *Program[T]) Version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.Stdout, "%s %s (%s %s/%s)\n", p.Table.Program, version.Release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// NoArgs refuses arguments of a command that takes none.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, and %q is one", cmd.Name(), args[0])
	}
	return nil
}
