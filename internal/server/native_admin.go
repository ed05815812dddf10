package server

import (
	"bytes"
	"context"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// nativeAdmin serves an ADMIN. It may take as long as what it asks for: others of the
// connection go on meanwhile.
func (s *Session) nativeAdmin(req *wire.Request) error {
	if len(req.Body) > wire.MaxAdminRequest {
		return wire.ErrAdminTooLarge
	}
	body := bytes.Clone(req.Body)
	s.nativeAsync(func(ctx context.Context, w *wait) {
		reply, err := s.srv.node.Admin(ctx, body)
		if err == nil && len(reply) > int(s.srv.limits.MaxFrame)/2 {
			err = errReplyFrame
		}
		w.answer(reply, err)
	}, nil)
	return nil
}
