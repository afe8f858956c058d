package textindex

import (
	"encoding/binary"
	"hash/crc32"
)

// version is of the encoding.
const version = 1

const magic = "PRTX"

// The kinds of segments.
const (
	kindWords = iota
	kindLines
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendUvarint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func uvarintSize(n uint64) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

// encode writes a segment:
//
//	magic, version, kind, tag            the tag with its length in one octet
//	documents                            count, differences of their numbers
//	unsure ones                          count, differences of their places
//	terms                                count, octets of their text, dictionary, records (each with its length)
//	checksum                             CRC-32C of all before it
//
// A dictionary entry is how many octets are those of the entry before, how many follow, and these. Numbers without a width are
// unsigned varints.
func encode(tag string, kind byte, ids []uint64, unsure []uint32, d *dictWriter) []byte {
	tag = tag[:min(len(tag), 255)]
	out := make([]byte, 0, 64+len(tag)+5*len(ids)+len(d.dict)+len(d.recs))
	out = append(out, magic...)
	out = append(out, version, kind, byte(len(tag)))
	out = append(out, tag...)
	out = appendUvarint(out, uint64(len(ids)))
	prev := uint64(0)
	for _, id := range ids {
		out = appendUvarint(out, id-prev)
		prev = id
	}
	out = appendUvarint(out, uint64(len(unsure)))
	last := uint32(0)
	for _, d := range unsure {
		out = appendUvarint(out, uint64(d-last))
		last = d
	}
	out = appendUvarint(out, uint64(d.n))
	out = appendUvarint(out, uint64(d.text))
	out = appendUvarint(out, uint64(len(d.dict)))
	out = append(out, d.dict...)
	out = appendUvarint(out, uint64(len(d.recs)))
	out = append(out, d.recs...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}
