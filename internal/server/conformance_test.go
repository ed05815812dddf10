package server

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// TestSessionsAnswerAsRedisDoes puts the conformance cases of package command to
// sessions of nodes that keep their data in each way.
func TestSessionsAnswerAsRedisDoes(t *testing.T) {
	for name, o := range policies() {
		t.Run(name, func(t *testing.T) {
			datadriven.Walk(t, "../command/testdata/conformance", func(t *testing.T, path string) {
				conns := [2]*testConn{}
				for i := range conns {
					if o.fs != nil {
						o.fs = vfs.NewMem()
					}
					conns[i] = newHarness(t, o).connect()
					conns[i].send(fmt.Sprintf("HELLO %d\r\n", i+2))
				}
				datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
					if d.Cmd == "advance" {
						by, err := time.ParseDuration(d.CmdArgs[0].Key)
						if err != nil {
							d.Fatalf(t, "%v", err)
						}
						conns[0].h.clock.Advance(by)
						conns[1].h.clock.Advance(by)
						return ""
					}
					var out strings.Builder
					for line := range strings.Lines(d.Input) {
						line = strings.TrimSuffix(line, "\n") + "\r\n"
						two, three := conns[0].send(line), conns[1].send(line)
						out.WriteString(strconv.Quote(two))
						if two != three {
							out.WriteString(" | " + strconv.Quote(three))
						}
						out.WriteByte('\n')
					}
					return out.String()
				})
			})
		})
	}
}
