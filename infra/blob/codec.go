package blob

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// compressFrom is the length from which a held body is compressed; below it the gain is not worth the time.
const compressFrom = 16 << 10

// codecs are pooled coders. One takes some hundred kilobytes, and as many are in use as goroutines seal or open
// compressed bodies at one moment, so that processors bound them.
type codecs struct {
	enc, dec sync.Pool
}

// compress gives h's octets compressed, or nil when that would save less than a tenth.
func (c *codecs) compress(h *hold) (*hold, error) {
	enc, ok := c.enc.Get().(*zstd.Encoder)
	if !ok {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(HoldLimit), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, err
		}
	}
	defer c.enc.Put(enc)
	out := &hold{pools: h.pools}
	enc.Reset(out)
	for _, chunk := range h.chunks {
		if _, err := enc.Write(chunk); err != nil {
			out.free()
			return nil, err
		}
	}
	if err := enc.Close(); err != nil {
		out.free()
		return nil, err
	}
	enc.Reset(nil)
	if out.size > h.size-h.size/10 {
		out.free()
		return nil, nil
	}
	return out, nil
}

// expand gives back a compressed body of size octets, size being at most HoldLimit.
func (c *codecs) expand(stored []byte, size int64) ([]byte, error) {
	dec, ok := c.dec.Get().(*zstd.Decoder)
	if !ok {
		var err error
		dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(HoldLimit), zstd.WithDecoderMaxWindow(HoldLimit))
		if err != nil {
			return nil, err
		}
	}
	defer c.dec.Put(dec)
	out, err := dec.DecodeAll(stored, make([]byte, 0, size))
	if err != nil {
		return nil, err
	}
	if int64(len(out)) != size {
		return nil, fmt.Errorf("it expands to %d octets, not %d", len(out), size)
	}
	return out, nil
}
