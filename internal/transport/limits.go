package transport

import "time"

// Limits bound what peers can make this node hold and how long they can make it wait. A zero field takes its default.
type Limits struct {
	FrameBytes    int // largest frame; default 65 MiB
	QueueBytes    int // frames that wait for, or are on their way to, one connected peer; default 64 MiB
	OfflineBytes  int // the same for a peer that is not connected; default 4 MiB
	CallBytes     int // a call's request or reply, a snapshot's header; default 8 MiB
	StrangerBytes int // a stranger's request; default 64 KiB

	Connections int // established incoming connections; default 1024
	Handshakes  int // incoming connections that have not said who they are; beyond, the oldest is closed; default 128
	Snapshots   int // incoming snapshots at a time; default 64
	Strangers   int // strangers' calls at a time; default 8
	Peers       int // nodes that have a queue or have connected; default 1024

	Dial      time.Duration // TCP connect; default 2 s
	Handshake time.Duration // TLS and both hellos; also until a call's request is complete; default 5 s
	Frame     time.Duration // from the first to the last byte of a frame; default 30 s
	Write     time.Duration // for a piece of at most 512 KiB to be taken by the socket; default 10 s
	Keepalive time.Duration // silence after which a keepalive is sent; default 1 s
	Idle      time.Duration // silence after which a connection is given up; default 5 s
	Call      time.Duration // longest run of an incoming call; default 60 s
	PauseMin  time.Duration // between the first attempts to connect; default 50 ms
	PauseMax  time.Duration // between later ones; default 1 s
}

func (l *Limits) setDefaults() {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.FrameBytes, 65 << 20}, {&l.QueueBytes, 64 << 20}, {&l.OfflineBytes, 4 << 20},
		{&l.CallBytes, 8 << 20}, {&l.StrangerBytes, 64 << 10},
		{&l.Connections, 1024}, {&l.Handshakes, 128}, {&l.Snapshots, 64}, {&l.Strangers, 8}, {&l.Peers, 1024},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Dial, 2 * time.Second}, {&l.Handshake, 5 * time.Second}, {&l.Frame, 30 * time.Second},
		{&l.Write, 10 * time.Second}, {&l.Keepalive, time.Second}, {&l.Idle, 5 * time.Second},
		{&l.Call, time.Minute},
		{&l.PauseMin, 50 * time.Millisecond}, {&l.PauseMax, time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}
