package front

import (
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
)

// Permit says why user may not run a command: by its role or, for each key, its
// prefixes. It returns nil if it may. args has passed the command's arity check.
func Permit(user *auth.User, spec *command.Spec, args [][]byte) error {
	switch {
	case spec.Flags&command.FlagAdmin != 0 && !user.MayAdmin(),
		spec.Flags&command.FlagWrite != 0 && !user.MayWrite(),
		spec.Flags&command.FlagWrite != 0 && spec.FirstKey == 0 && !user.AllKeys():
		return ErrNoPerm
	case spec.FirstKey == 0 || user.AllKeys():
		return nil
	}
	first, step, count := spec.KeyRange(args)
	for i := range count {
		if !user.AllowsKey(args[first+i*step]) {
			return ErrNoKeys
		}
	}
	return nil
}
