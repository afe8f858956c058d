package jscontact

// form is what values of a property may be. Words: text, bool, uint, pref (1 to 100), utc, set (of strings), country, any, patches; a name with a
// capital letter is an object of that type; "map X" has any key, "ids X" has Ids as keys, "list X" is an array; "A|B" is one of two objects,
// told apart by @type, the first when there is none.
type form string

// object is a type: its properties, and those that must be there.
type object struct {
	must  []string
	props map[string]form
	// oneOf are properties of which one at least must be there.
	oneOf []string
}

func with(more map[string]form, names ...string) map[string]form {
	common := map[string]form{"contexts": "set", "pref": "pref", "label": "text"}
	for _, n := range names {
		more[n] = common[n]
	}
	return more
}

// resource is what RFC 9553 1.4.4 gives every resource.
func resource(more map[string]form) map[string]form {
	more["uri"], more["mediaType"], more["kind"] = "text", "text", "text"
	return with(more, "contexts", "pref", "label")
}

// types are those of RFC 9553 2.
var types = map[string]object{
	"Card": {props: map[string]form{
		"version": "text", "created": "utc", "kind": "text", "language": "text", "members": "set", "prodId": "text", "relatedTo": "map Relation",
		"uid": "text", "updated": "utc", "name": "Name", "nicknames": "ids Nickname", "organizations": "ids Organization", "speakToAs": "SpeakToAs",
		"titles": "ids Title", "emails": "ids EmailAddress", "onlineServices": "ids OnlineService", "phones": "ids Phone",
		"preferredLanguages": "ids LanguagePref", "calendars": "ids Calendar", "schedulingAddresses": "ids SchedulingAddress",
		"addresses": "ids Address", "cryptoKeys": "ids CryptoKey", "directories": "ids Directory", "links": "ids Link", "media": "ids Media",
		"localizations": "map patches", "anniversaries": "ids Anniversary", "keywords": "set", "notes": "ids Note", "personalInfo": "ids PersonalInfo",
	}},
	"Relation": {props: map[string]form{"relation": "set"}},
	"Name": {oneOf: []string{"components", "full"}, props: map[string]form{"components": "list NameComponent", "isOrdered": "bool",
		"defaultSeparator": "text", "full": "text", "sortAs": "map text", "phoneticScript": "text", "phoneticSystem": "text"}},
	"NameComponent":     {must: []string{"value", "kind"}, props: map[string]form{"value": "text", "kind": "text", "phonetic": "text"}},
	"Nickname":          {must: []string{"name"}, props: with(map[string]form{"name": "text"}, "contexts", "pref")},
	"Organization":      {oneOf: []string{"name", "units"}, props: with(map[string]form{"name": "text", "units": "list OrgUnit", "sortAs": "text"}, "contexts")},
	"OrgUnit":           {must: []string{"name"}, props: map[string]form{"name": "text", "sortAs": "text"}},
	"SpeakToAs":         {oneOf: []string{"grammaticalGender", "pronouns"}, props: map[string]form{"grammaticalGender": "text", "pronouns": "ids Pronouns"}},
	"Pronouns":          {must: []string{"pronouns"}, props: with(map[string]form{"pronouns": "text"}, "contexts", "pref")},
	"Title":             {must: []string{"name"}, props: map[string]form{"name": "text", "kind": "text", "organizationId": "text"}},
	"EmailAddress":      {must: []string{"address"}, props: with(map[string]form{"address": "text"}, "contexts", "pref", "label")},
	"OnlineService":     {oneOf: []string{"uri", "user"}, props: with(map[string]form{"service": "text", "uri": "text", "user": "text"}, "contexts", "pref", "label")},
	"Phone":             {must: []string{"number"}, props: with(map[string]form{"number": "text", "features": "set"}, "contexts", "pref", "label")},
	"LanguagePref":      {must: []string{"language"}, props: with(map[string]form{"language": "text"}, "contexts", "pref")},
	"Calendar":          {must: []string{"uri", "kind"}, props: resource(map[string]form{})},
	"SchedulingAddress": {must: []string{"uri"}, props: with(map[string]form{"uri": "text"}, "contexts", "pref", "label")},
	"Address": {props: with(map[string]form{"components": "list AddressComponent", "isOrdered": "bool", "countryCode": "country", "coordinates": "text",
		"timeZone": "text", "full": "text", "defaultSeparator": "text", "phoneticScript": "text", "phoneticSystem": "text"}, "contexts", "pref")},
	"AddressComponent": {must: []string{"value", "kind"}, props: map[string]form{"value": "text", "kind": "text", "phonetic": "text"}},
	"CryptoKey":        {must: []string{"uri"}, props: resource(map[string]form{})},
	"Directory":        {must: []string{"uri", "kind"}, props: resource(map[string]form{"listAs": "listAs"})},
	"Link":             {must: []string{"uri"}, props: resource(map[string]form{})},
	"Media":            {must: []string{"kind", "uri"}, props: resource(map[string]form{})},
	"Anniversary":      {must: []string{"kind", "date"}, props: with(map[string]form{"kind": "text", "date": "PartialDate|Timestamp", "place": "Address"}, "contexts")},
	"PartialDate":      {oneOf: []string{"year", "month", "day"}, props: map[string]form{"year": "uint", "month": "uint", "day": "uint", "calendarScale": "text"}},
	"Timestamp":        {must: []string{"utc"}, props: map[string]form{"utc": "utc"}},
	"Note":             {must: []string{"note"}, props: map[string]form{"note": "text", "created": "utc", "author": "Author"}},
	"Author":           {oneOf: []string{"name", "uri"}, props: map[string]form{"name": "text", "uri": "text"}},
	"PersonalInfo":     {must: []string{"kind", "value"}, props: map[string]form{"kind": "text", "value": "text", "level": "text", "listAs": "listAs", "label": "text"}},
}
