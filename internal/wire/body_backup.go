package wire

// BackupBody is the body of BACKUP: u32 partition, u64 token, u64 offset, u32 most.
type BackupBody struct {
	Partition uint32 `json:"partition,omitempty"`
	Token     uint64 `json:"token,omitempty"`  // 0 begins a backup of the partition; then what the first piece said
	Offset    uint64 `json:"offset,omitempty"` // in the snapshot file; only with a token
	Most      uint32 `json:"most,omitempty"`   // bytes wanted at most; 0 leaves it to the server
}

const backupBodySize = 4 + 8 + 8 + 4

// Append appends the encoding.
func (b *BackupBody) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, b.Partition)
	dst = le.AppendUint64(dst, b.Token)
	dst = le.AppendUint64(dst, b.Offset)
	return le.AppendUint32(dst, b.Most)
}

// Decode reads and judges the body of BACKUP with these operation flags.
func (b *BackupBody) Decode(flags uint8, body []byte) error {
	if len(body) < backupBodySize {
		return ErrTruncated
	}
	if len(body) > backupBodySize {
		return ErrTrailing
	}
	*b = BackupBody{Partition: le.Uint32(body), Token: le.Uint64(body[4:]), Offset: le.Uint64(body[12:]), Most: le.Uint32(body[20:])}
	switch {
	case b.Partition >= maxPartitions, b.Offset > 1<<62:
		return ErrBackup
	case b.Token == 0 && (b.Offset != 0 || flags&BackupEnd != 0):
		return ErrBackup
	}
	return nil
}

// BackupPiece is the body of the reply to BACKUP: u64 token, u64 size, u64 index,
// u64 entries, and the bytes of the file from the offset asked for.
type BackupPiece struct {
	Token   uint64 `json:"token"`   // for the requests that follow
	Size    uint64 `json:"size"`    // of the whole file
	Index   uint64 `json:"index"`   // log index of the partition that the file is an image at
	Entries uint64 `json:"entries"` // in the file
	Data    []byte `json:"-"`       // a view; empty at the end of the file, and with BackupEnd
}

const backupPieceHeader = 4 * 8

// BackupPieceOverhead is what a reply with a piece takes beside the piece.
const BackupPieceOverhead = FrameOverhead + backupPieceHeader

// AppendHeader appends all but Data, which belongs behind it.
func (p *BackupPiece) AppendHeader(dst []byte) []byte {
	dst = le.AppendUint64(dst, p.Token)
	dst = le.AppendUint64(dst, p.Size)
	dst = le.AppendUint64(dst, p.Index)
	return le.AppendUint64(dst, p.Entries)
}

// Decode reads the body of a reply.
func (p *BackupPiece) Decode(body []byte) error {
	if len(body) < backupPieceHeader {
		return ErrTruncated
	}
	*p = BackupPiece{Token: le.Uint64(body), Size: le.Uint64(body[8:]), Index: le.Uint64(body[16:]), Entries: le.Uint64(body[24:]),
		Data: body[backupPieceHeader:]}
	if p.Size > 1<<62 || uint64(len(p.Data)) > p.Size {
		return ErrBackup
	}
	return nil
}
