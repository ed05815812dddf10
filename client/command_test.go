package client

import (
	"bytes"
	"context"
	"testing"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// decodeCommand returns the arguments of a COMMAND.
func decodeCommand(t *testing.T, body []byte) (version uint8, args []string) {
	var walk wire.CommandArgs
	if err := walk.Decode(body); err != nil {
		t.Error(err)
		return 0, nil
	}
	for {
		arg, ok, err := walk.Next()
		if err != nil {
			t.Error(err)
		}
		if !ok {
			return walk.RESPVersion, args
		}
		args = append(args, string(arg))
	}
}

func TestDoSendsACommandAndReturnsItsReply(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			version, args := decodeCommand(t, r.Body)
			if version != 3 || len(args) != 3 || args[0] != "GETRANGE" || args[2] != "" || r.Writes() {
				t.Errorf("%+v: RESP%d %q", r, version, args)
			}
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte("$2\r\nhi\r\n"))
			return true
		})
		reply, err := c.Do(context.Background(), [][]byte{[]byte("GETRANGE"), []byte("k"), nil}, true, 3)
		if err != nil || string(reply) != "$2\r\nhi\r\n" {
			t.Errorf("%q %v", reply, err)
		}
		large := bytes.Repeat([]byte("x"), 100_000)
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			if _, args := decodeCommand(t, r.Body); len(args) != 3 || len(args[2]) != len(large) || !r.Writes() {
				t.Errorf("%+v: %d arguments", r.Op, len(args))
			}
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte("+OK\r\n"))
			return true
		})
		_, err = c.DoKey(context.Background(), []byte("k"), [][]byte{[]byte("SET"), []byte("k"), large}, false, 2, WithAcks(AcksQuorum))
		must(t, err)
	})
}

func TestDoRefusesWhatIsNoCommand(t *testing.T) {
	c, ctx := open(t, newFakeServer(t)), context.Background()
	get := [][]byte{[]byte("GET"), []byte("k")}
	_, err := c.Do(ctx, nil, true, 2)
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Do(ctx, get, true, 4)
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Do(ctx, get, true, 2, WithAcks(AcksQuorum))
	wantErr(t, err, ErrInvalidArgument)
	_, err = c.Do(ctx, get, false, 2, WithConsistency(Lease))
	wantErr(t, err, ErrInvalidArgument)
}

func TestCommandThatWasLostIsRepeatedOnlyIfItReads(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		for _, readOnly := range []bool{true, false} {
			lost := false
			s.on(func(fs *fakeSession, r *wire.Request) bool {
				if !lost {
					lost = true
					fs.nc.Close()
					return true
				}
				fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte("+OK\r\n"))
				return true
			})
			_, err := c.Do(context.Background(), [][]byte{[]byte("X"), []byte("k")}, readOnly, 2)
			if readOnly {
				must(t, err)
			} else {
				wantErr(t, err, ErrUnknownOutcome)
			}
		}
	})
}

func TestAdminCarriesJSON(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		s.on(func(fs *fakeSession, r *wire.Request) bool {
			if r.Op != wire.OpAdmin || string(r.Body) != `{"op":"status"}` {
				t.Errorf("%v %s", r.Op, r.Body)
			}
			fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, []byte(`{"nodes":[]}`))
			return true
		})
		reply, err := c.Admin(context.Background(), []byte(`{"op":"status"}`))
		if err != nil || string(reply) != `{"nodes":[]}` {
			t.Errorf("%s %v", reply, err)
		}
	})
}
