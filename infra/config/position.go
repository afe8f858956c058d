package config

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// places says where the keys of a file stand: line and column by dotted key.
type places map[string][2]int

// positions finds the keys of a text the decoder has accepted. The tables of a list are numbered from 0:
// "route[0].host".
func positions(text []byte) places {
	out := places{}
	lists := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		key, raw := dotted(e.Key())
		switch e.Kind {
		case unstable.Table:
			table = numbered(key, lists)
			out.put(table, text, raw)
		case unstable.ArrayTable:
			table = numbered(key, lists) + "[" + strconv.Itoa(lists[key]) + "]"
			lists[key]++
			out.put(table, text, raw)
		case unstable.KeyValue:
			if table != "" {
				key = table + "." + key
			}
			out.put(key, text, raw)
		}
	}
	return out
}

// dotted joins the parts of a key and tells where its first part begins.
func dotted(it unstable.Iterator) (key string, at uint32) {
	var parts []string
	for it.Next() {
		if len(parts) == 0 {
			at = it.Node().Raw.Offset
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), at
}

// numbered gives a table below a list the number of the list's latest table.
func numbered(key string, lists map[string]int) string {
	for list, n := range lists {
		if rest, ok := strings.CutPrefix(key, list+"."); ok {
			return list + "[" + strconv.Itoa(n-1) + "]." + rest
		}
	}
	return key
}

func (p places) put(key string, text []byte, offset uint32) {
	if int(offset) > len(text) {
		return
	}
	before := string(text[:offset])
	p[strings.ToLower(key)] = [2]int{strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')}
}

// find is where a key stands, or the nearest table above that is in the file; 0, 0 where none is.
func (p places) find(key string) (line, column int) {
	key = strings.ToLower(key) // the decoder takes keys in any letter case
	for key != "" {
		if at, ok := p[key]; ok {
			return at[0], at[1]
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			break
		}
		key = key[:i]
	}
	return 0, 0
}
