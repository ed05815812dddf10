package command

import (
	"math"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// expiryUnit is how a number of a request tells a time.
type expiryUnit uint8

const (
	noExpiry  expiryUnit = iota
	inSeconds            // from now
	inMillis
	atSeconds // since 1970
	atMillis
)

// absolute converts v to unix ms. Negative and past times are let through; false
// means that the result would not fit.
func (u expiryUnit) absolute(v, now int64) (at int64, ok bool) {
	if u == inSeconds || u == atSeconds {
		if v > math.MaxInt64/1000 || v < math.MinInt64/1000 {
			return 0, false
		}
		v *= 1000
	}
	if u == inSeconds || u == inMillis {
		if v > math.MaxInt64-now {
			return 0, false
		}
		v += now
	}
	return v, true
}

// expiryFromNow reads the expiry of SET and its like, which must be positive.
func expiryFromNow(number []byte, u expiryUnit, now int64) (at int64, ok bool) {
	v, ok := resp.ParseInt(number)
	if !ok || v <= 0 {
		return 0, false
	}
	return u.absolute(v, now)
}

// expiryFault is the error for a number that expiryFromNow refused.
func expiryFault(number []byte, command string) *resp.Error {
	if _, ok := resp.ParseInt(number); !ok {
		return errNotInteger
	}
	return errExpireTime(command)
}

// stringOptions are the options that follow key and value in SET, key in GETEX.
type stringOptions struct {
	flags   OpFlags
	persist bool
	unit    expiryUnit
	expiry  []byte // the number, with a unit
}

// Options that one of the commands knows and the other does not.
const (
	allowedSet = iota
	allowedGetEX
)

// parseStringOptions accepts and refuses the same combinations as Redis, where
// an option may be repeated but not contradicted.
func parseStringOptions(args [][]byte, allowed int) (o stringOptions, err error) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case allowed == allowedSet && resp.EqualFold(word, "nx") && o.flags&IfPresent == 0:
			o.flags |= IfAbsent
		case allowed == allowedSet && resp.EqualFold(word, "xx") && o.flags&IfAbsent == 0:
			o.flags |= IfPresent
		case allowed == allowedSet && resp.EqualFold(word, "get"):
			o.flags |= ReturnOld
		case allowed == allowedSet && resp.EqualFold(word, "keepttl") && o.unit == noExpiry:
			o.flags |= KeepTTL
		case allowed == allowedGetEX && resp.EqualFold(word, "persist") && o.unit == noExpiry:
			o.persist = true
		default:
			unit := expiryWord(word)
			if unit == noExpiry || i+1 == len(args) || o.flags&KeepTTL != 0 || o.persist ||
				o.unit != noExpiry && o.unit != unit {
				return o, errSyntax
			}
			i++
			o.unit, o.expiry = unit, args[i]
		}
	}
	return o, nil
}

func expiryWord(word []byte) expiryUnit {
	switch {
	case resp.EqualFold(word, "ex"):
		return inSeconds
	case resp.EqualFold(word, "px"):
		return inMillis
	case resp.EqualFold(word, "exat"):
		return atSeconds
	case resp.EqualFold(word, "pxat"):
		return atMillis
	}
	return noExpiry
}

func parseExpireConditions(args [][]byte) (flags OpFlags, err error) {
	for _, word := range args {
		switch {
		case resp.EqualFold(word, "nx"):
			flags |= ExpireNX
		case resp.EqualFold(word, "xx"):
			flags |= ExpireXX
		case resp.EqualFold(word, "gt"):
			flags |= ExpireGT
		case resp.EqualFold(word, "lt"):
			flags |= ExpireLT
		default:
			return 0, resp.Errorf("ERR", "Unsupported option %s", cString(word, quoteLimit))
		}
	}
	switch {
	case flags&ExpireNX != 0 && flags != ExpireNX:
		return 0, errExpireNX
	case flags&ExpireGT != 0 && flags&ExpireLT != 0:
		return 0, errExpireGTLT
	}
	return flags, nil
}
