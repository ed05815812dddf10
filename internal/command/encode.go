package command

import "github.com/prakashpandey/vegadb/internal/resp"

// Modes that Reply functions look at.
const modeReturnOld = 1 // SET with GET

func encodeSet(dst []byte, args [][]byte, now int64) ([]byte, error) {
	var o PutOp
	if len(args) > 3 {
		options, err := parseStringOptions(args[3:], allowedSet)
		if err != nil {
			return dst, err
		}
		o.Flags = options.flags
		if options.unit != noExpiry {
			at, ok := expiryFromNow(options.expiry, options.unit, now)
			if !ok {
				return dst, expiryFault(options.expiry, "set")
			}
			o.ExpireAt = at
		}
	}
	return AppendPut(dst, args[1], args[2], o), nil
}

func modeSet(args [][]byte) uint8 {
	for _, option := range args[3:] {
		if resp.EqualFold(option, "get") {
			return modeReturnOld
		}
	}
	return 0
}

func encodeSetNX(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendPut(dst, args[1], args[2], PutOp{Flags: IfAbsent}), nil
}

func encodeSetEX(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeSetExpiring(dst, args, inSeconds, now, "setex")
}

func encodePSetEX(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeSetExpiring(dst, args, inMillis, now, "psetex")
}

func encodeSetExpiring(dst []byte, args [][]byte, unit expiryUnit, now int64, name string) ([]byte, error) {
	at, ok := expiryFromNow(args[2], unit, now)
	if !ok {
		return dst, expiryFault(args[2], name)
	}
	return AppendPut(dst, args[1], args[3], PutOp{ExpireAt: at}), nil
}

func encodeGetSet(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendPut(dst, args[1], args[2], PutOp{Flags: ReturnOld}), nil
}

func encodeGetDel(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendDelete(dst, args[1], DeleteOp{Flags: ReturnOld}), nil
}

func encodeGetEX(dst []byte, args [][]byte, now int64) ([]byte, error) {
	options, err := parseStringOptions(args[2:], allowedGetEX)
	if err != nil {
		return dst, err
	}
	switch {
	case options.unit != noExpiry:
		at, ok := expiryFromNow(options.expiry, options.unit, now)
		if !ok {
			return dst, expiryFault(options.expiry, "getex")
		}
		return AppendExpire(dst, args[1], at, ReturnOld), nil
	case options.persist:
		return AppendPersist(dst, args[1], ReturnOld), nil
	}
	return AppendGet(dst, args[1]), nil
}

// encodeMSet is called with one key and its value.
func encodeMSet(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendPut(dst, args[0], args[1], PutOp{}), nil
}

func checkMSet(args [][]byte) error {
	if len(args)%2 == 0 {
		return &resp.Error{Code: "ERR", Text: "wrong number of arguments for 'mset' command"}
	}
	return nil
}

func encodeAppend(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendAppend(dst, args[1], args[2]), nil
}

// encodeDel is called with one key.
func encodeDel(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendDelete(dst, args[0], DeleteOp{}), nil
}

func encodeIncr(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendIncr(dst, args[1], 1, IncrOp{}), nil
}

func encodeDecr(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendIncr(dst, args[1], -1, IncrOp{}), nil
}

func encodeIncrBy(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	delta, ok := resp.ParseInt(args[2])
	if !ok {
		return dst, errNotInteger
	}
	return AppendIncr(dst, args[1], delta, IncrOp{}), nil
}

func encodeDecrBy(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	delta, ok := resp.ParseInt(args[2])
	if !ok {
		return dst, errNotInteger
	}
	if delta == -delta && delta != 0 { // the least integer has no opposite
		return dst, errDecrOverflow
	}
	return AppendIncr(dst, args[1], -delta, IncrOp{}), nil
}

func encodeExpire(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeExpiry(dst, args, inSeconds, now, "expire")
}

func encodePExpire(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeExpiry(dst, args, inMillis, now, "pexpire")
}

func encodeExpireAt(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeExpiry(dst, args, atSeconds, now, "expireat")
}

func encodePExpireAt(dst []byte, args [][]byte, now int64) ([]byte, error) {
	return encodeExpiry(dst, args, atMillis, now, "pexpireat")
}

func encodeExpiry(dst []byte, args [][]byte, unit expiryUnit, now int64, name string) ([]byte, error) {
	flags, err := parseExpireConditions(args[3:])
	if err != nil {
		return dst, err
	}
	v, ok := resp.ParseInt(args[2])
	if !ok {
		return dst, errNotInteger
	}
	at, ok := unit.absolute(v, now)
	if !ok {
		return dst, errExpireTime(name)
	}
	return AppendExpire(dst, args[1], at, flags), nil
}

func encodePersist(dst []byte, args [][]byte, _ int64) ([]byte, error) {
	return AppendPersist(dst, args[1], 0), nil
}
