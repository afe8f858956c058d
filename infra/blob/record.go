package blob

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/postrider/postrider/mail"
)

// Codec is how a body's octets are stored. The values are stored in packs and in the index.
type Codec uint8

// The codecs.
const (
	Raw  Codec = 0
	Zstd Codec = 1
)

// HeaderSize is how many octets stand in front of every stored body.
//
//	 0  4  magic "PRdr"
//	 4  1  version, 1
//	 5  1  codec
//	 6  2  flags: 1 = the only record of a pack of its own
//	 8  8  blob id
//	16  8  length as stored
//	24  8  length of the body
//	32  4  CRC-32C of the stored octets
//	36  4  CRC-32C of octets 0 to 35
//
// Numbers are little-endian.
const HeaderSize = 40

const (
	headerVersion = 1
	flagOwn       = 1
)

var headerMagic = [4]byte{'P', 'R', 'd', 'r'}

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is what stands in front of a stored body.
type Header struct {
	ID     mail.BlobID
	Codec  Codec
	Own    bool  // the only record of its pack
	Stored int64 // octets that follow in the pack
	Size   int64 // octets of the body
	Sum    uint32
}

// Encode appends the header's HeaderSize octets to b.
func (h Header) Encode(b []byte) []byte {
	start := len(b)
	b = append(b, headerMagic[:]...)
	b = append(b, headerVersion, byte(h.Codec))
	var flags uint16
	if h.Own {
		flags |= flagOwn
	}
	le := binary.LittleEndian
	b = le.AppendUint16(b, flags)
	b = le.AppendUint64(b, uint64(h.ID))
	b = le.AppendUint64(b, uint64(h.Stored))
	b = le.AppendUint64(b, uint64(h.Size))
	b = le.AppendUint32(b, h.Sum)
	return le.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// HeaderError says why octets are no record header.
type HeaderError struct{ Reason string }

// Error is the reason.
func (e *HeaderError) Error() string { return "no pack record: " + e.Reason }

// ParseHeader reads a header from the first HeaderSize octets of b. Whatever it returns without an
// error is within bounds: a codec we know, lengths that are not negative and agree with the codec.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, &HeaderError{fmt.Sprintf("%d octets are too few", len(b))}
	}
	b = b[:HeaderSize]
	le := binary.LittleEndian
	switch {
	case [4]byte(b[:4]) != headerMagic:
		return Header{}, &HeaderError{"it does not begin as one"}
	case le.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli):
		return Header{}, &HeaderError{"its header's checksum differs"}
	case b[4] != headerVersion:
		return Header{}, &HeaderError{fmt.Sprintf("version %d is not known here", b[4])}
	}
	h := Header{
		ID:     mail.BlobID(le.Uint64(b[8:])),
		Codec:  Codec(b[5]),
		Own:    le.Uint16(b[6:])&flagOwn != 0,
		Stored: int64(le.Uint64(b[16:])),
		Size:   int64(le.Uint64(b[24:])),
		Sum:    le.Uint32(b[32:]),
	}
	switch {
	case h.ID <= 0 || h.Stored < 0 || h.Size < 0:
		return Header{}, &HeaderError{"a number in it is out of range"}
	case h.Codec == Raw && h.Stored != h.Size:
		return Header{}, &HeaderError{"its two lengths differ"}
	case h.Codec == Zstd && (h.Size > HoldLimit || h.Stored > HoldLimit):
		return Header{}, &HeaderError{"a compressed body is never that long"}
	case h.Codec > Zstd:
		return Header{}, &HeaderError{fmt.Sprintf("codec %d is not known here", h.Codec)}
	}
	return h, nil
}

// Ref says where a body lies. The index keeps it.
type Ref struct {
	Pack   int64
	Offset int64 // of the record's header
	Stored int64 // without the header
	Size   int64
	Codec  Codec
}

// Octets is what the record takes up in its pack.
func (r Ref) Octets() int64 { return HeaderSize + r.Stored }

// matches says why a header found where a Ref points is not the one meant, or "".
func (r Ref) matches(id mail.BlobID, h Header) string {
	switch {
	case h.ID != id:
		return fmt.Sprintf("the record there is of body %d", h.ID)
	case h.Stored != r.Stored || h.Size != r.Size || h.Codec != r.Codec:
		return "the record there has another length than the index says"
	}
	return ""
}

// damaged is the error for a body that cannot be read as it was written.
func damaged(id mail.BlobID, r Ref, reason string, cause error) error {
	text := fmt.Sprintf("body %d is damaged: pack %s at offset %d: %s; restore the pack from a backup",
		id, PackName(r.Pack), r.Offset, reason)
	return &mail.Error{Kind: mail.Internal, Text: text, Err: cause}
}

// PackName is the name of a pack in its bucket.
func PackName(pack int64) string { return fmt.Sprintf("%04x/%08x.pack", pack>>12, pack) }

// parsePackName is the reverse of PackName.
func parsePackName(name string) (pack int64, ok bool) {
	var dir int64
	if n, err := fmt.Sscanf(name, "%x/%x.pack", &dir, &pack); n != 2 || err != nil {
		return 0, false
	}
	return pack, PackName(pack) == name
}
