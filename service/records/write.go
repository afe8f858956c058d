package records

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteZone writes records as a fragment of a zone file, one line each with the sentence that tells what it is for above it: NSD, BIND
// and Knot read it with $INCLUDE. Records without a Zone stand there as comments. RFC 1035 5.1.
func WriteZone(w io.Writer, all []Record) error {
	out := bufio.NewWriter(w)
	zone, why := "", ""
	for _, r := range own(all) {
		if r.Zone != zone {
			if zone != "" {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "; The records of %s for mail: import them into its zone, or take them in with $INCLUDE. SOA and NS are not\n; among them, for they are the zone's own.\n", r.Zone)
			zone, why = r.Zone, ""
		}
		if r.For != why {
			fmt.Fprintf(out, "\n; %s\n", oneLine(r.For))
			why = r.For
		}
		fmt.Fprintf(out, "%s. %d IN %s %s\n", r.Name, int64(r.TTL/time.Second), r.Type, r.Value)
	}
	for i, r := range others(all) {
		if i == 0 {
			fmt.Fprint(out, "\n; --- not in your zone: whoever is in charge of these names sets them; a PTR is set where the address is rented ---\n")
		}
		fmt.Fprintf(out, "\n; %s\n; %s. %d IN %s %s\n", oneLine(r.For), r.Name, int64(r.TTL/time.Second), r.Type, r.Value)
	}
	return out.Flush()
}

// Table writes records for terminals and for forms on the web: names relative to their zone ("@" is the zone itself), texts without
// quotes, the longest column last.
func Table(w io.Writer, all []Record) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	zone := ""
	for _, r := range own(all) {
		if r.Zone != zone {
			fmt.Fprintf(out, "%s:\nNEED\tNAME\tTYPE\tVALUE\n", r.Zone)
			zone = r.Zone
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", r.Need, Relative(r.Name, r.Zone), r.Type, oneLine(r.Text()))
	}
	for i, r := range others(all) {
		if i == 0 {
			fmt.Fprint(out, "not in your zone; a PTR is set where you rent the address:\nNEED\tNAME\tTYPE\tVALUE\n")
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", r.Need, r.Name, r.Type, oneLine(r.Text()))
	}
	return out.Flush()
}

// Relative is a name as forms on the web want it: relative to its zone, "@" for the zone itself.
func Relative(name, zone string) string {
	if name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

// own gives the records that have a zone, those of one zone together, in the order of their first ones.
func own(all []Record) (out []Record) {
	var zones []string
	byZone := map[string][]Record{}
	for _, r := range all {
		if r.Zone == "" {
			continue
		}
		if byZone[r.Zone] == nil {
			zones = append(zones, r.Zone)
		}
		byZone[r.Zone] = append(byZone[r.Zone], r)
	}
	for _, z := range zones {
		out = append(out, byZone[z]...)
	}
	return out
}

func others(all []Record) (out []Record) {
	for _, r := range all {
		if r.Zone == "" {
			out = append(out, r)
		}
	}
	return out
}

// oneLine keeps what is written on one line, whatever is in it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
