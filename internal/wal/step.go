package wal

import "fmt"

// A round of the writer in two halves, and the preparer's work piece by piece, for a log without goroutines
// ([Options.Stepped]). They are the same functions that run and prepare call; only who calls them, and when,
// is another matter. In between, the disk is at work as far as the log can tell: what is appended meanwhile is
// in the next round.

// StepWrite begins a round: it hands what has been appended to the operating system. ticked says that policy
// EverySec's second is over. It reports whether anything waits for the StepSync that ends the round.
func (l *Log) StepWrite(ticked bool) (unsynced bool, err error) {
	if err := l.failureOf(); err != nil {
		return false, err
	}
	l.begun = l.beginRound(ticked)
	if err := l.writeRound(l.begun); err != nil {
		l.fail(err)
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.dirty) > 0, nil
}

// StepSync ends the round: it makes what has been written durable and tells whoever waits for that.
func (l *Log) StepSync() error {
	if err := l.failureOf(); err != nil {
		return err
	}
	if err := l.sync(l.begun.everything); err != nil {
		l.fail(err)
		return err
	}
	return nil
}

// StepPrepare does the most urgent thing that makes room ahead of the tail, and reports whether there may be more
// to do at once. After a false, it is worth calling again when something has been appended, or refused for lack of
// room or space.
func (l *Log) StepPrepare() (more bool, err error) {
	if err := l.failureOf(); err != nil {
		return false, err
	}
	more, err = l.prepareStep()
	if err != nil {
		l.fail(err)
		return false, fmt.Errorf("prepare the log: %w", err)
	}
	return more, nil
}

// stepUntil does rounds until reached is closed or the log has failed: the caller of a stepped log who waits for
// the disk has nobody else to do them.
func (l *Log) stepUntil(reached <-chan struct{}) {
	for l.o.Stepped {
		select {
		case <-reached:
			return
		case <-l.failed:
			return
		default:
		}
		if _, err := l.StepWrite(false); err != nil {
			return
		}
		if err := l.StepSync(); err != nil {
			return
		}
	}
}
