package command

import "testing"

func TestOnlyAPlainPutHasAnOutcomeThatIsKnownBeforehand(t *testing.T) {
	key, value := []byte("k"), []byte("v")
	two := AppendPut(AppendPut(Begin(nil), key, value, PutOp{}), key, value, PutOp{})
	SetCount(two, 2)
	for name, c := range map[string]struct {
		entry []byte
		want  bool
	}{
		"put":             {AppendPut(Begin(nil), key, value, PutOp{}), true},
		"put that ends":   {AppendPut(Begin(nil), key, value, PutOp{ExpireAt: 5}), true},
		"put if absent":   {AppendPut(Begin(nil), key, value, PutOp{Flags: IfAbsent}), false},
		"put if version":  {AppendPut(Begin(nil), key, value, PutOp{Flags: IfVersion, IfVersion: 3}), false},
		"put, old wanted": {AppendPut(Begin(nil), key, value, PutOp{Flags: ReturnOld}), false},
		"of a session":    {AppendPut(BeginSession(nil, Session{Seq: 1}), key, value, PutOp{}), false},
		"delete":          {AppendDelete(Begin(nil), key, DeleteOp{}), false},
		"increment":       {AppendIncr(Begin(nil), key, 1, IncrOp{}), false},
		"batch":           {two, false},
		"nothing":         {Begin(nil), false},
		"no entry":        {nil, false},
	} {
		if got := Unconditional(c.entry); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
