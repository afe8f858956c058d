package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// The paths of the operations. They and the JSON names of package admin are what other programs may rely on.
const (
	pathDomainAdd       = "/v1/domain/add"
	pathDomainList      = "/v1/domain/list"
	pathDomainUpdate    = "/v1/domain/update"
	PathDomainRemove    = "/v1/domain/remove"
	pathAccountAdd      = "/v1/account/add"
	pathAccountList     = "/v1/account/list"
	pathAccountShow     = "/v1/account/show"
	PathAccountUpdate   = "/v1/account/update"
	PathAccountPassword = "/v1/account/set-password"
	PathAccountRemove   = "/v1/account/remove"
	pathAliasAdd        = "/v1/alias/add"
	pathAliasList       = "/v1/alias/list"
	pathAliasShow       = "/v1/alias/show"
	pathAliasCheck      = "/v1/alias/check"
	pathAliasUpdate     = "/v1/alias/update"
	pathAliasRemove     = "/v1/alias/remove"
	pathQueueList       = "/v1/queue/list"
	pathQueueShow       = "/v1/queue/show"
	pathQueueAct        = "/v1/queue/act"
	pathDNSRecords      = "/v1/dns/records"
	pathDNSPublish      = "/v1/dns/publish"
	pathDoctor          = "/v1/doctor"
	pathDoctorRun       = "/v1/doctor/run"
	pathDKIMList        = "/v1/dkim/list"
	pathDKIMRotate      = "/v1/dkim/rotate"
	pathBanList         = "/v1/ban/list"
	pathBanRemove       = "/v1/ban/remove"
	pathReports         = "/v1/reports/list"
	pathTrace           = "/v1/trace"
	PathSend            = "/v1/send"
	PathExport          = "/v1/export"
	pathStatus          = "/v1/status"
	pathVerify          = "/v1/verify"
	pathCompact         = "/v1/compact"
	pathCharts          = "/v1/charts"
	pathCertificates    = "/v1/certificates"
	pathNodes           = "/v1/nodes"
	pathLimits          = "/v1/limits"
	pathAudit           = "/v1/audit/list"
)

// Route is one operation at its path.
type Route struct {
	Path  string
	serve func(f *Face, w http.ResponseWriter, r *http.Request)
}

// Routes lists every operation.
func Routes() []Route {
	return []Route{
		unaryRoute(pathDomainAdd, admin.Operator.AddDomain),
		unaryRoute(pathDomainList, admin.Operator.Domains),
		unaryRoute(pathDomainUpdate, admin.Operator.UpdateDomain),
		unaryRoute(PathDomainRemove, admin.Operator.RemoveDomain),
		unaryRoute(pathAccountAdd, admin.Operator.AddAccount),
		unaryRoute(pathAccountList, admin.Operator.Accounts),
		unaryRoute(pathAccountShow, admin.Operator.Account),
		unaryRoute(PathAccountUpdate, admin.Operator.UpdateAccount),
		unaryRoute(PathAccountPassword, admin.Operator.SetPassword),
		unaryRoute(PathAccountRemove, admin.Operator.RemoveAccount),
		unaryRoute(pathAliasAdd, admin.Operator.AddAlias),
		unaryRoute(pathAliasList, admin.Operator.Aliases),
		unaryRoute(pathAliasShow, admin.Operator.Alias),
		unaryRoute(pathAliasCheck, admin.Operator.CheckAlias),
		unaryRoute(pathAliasUpdate, admin.Operator.UpdateAlias),
		unaryRoute(pathAliasRemove, admin.Operator.RemoveAlias),
		unaryRoute(pathQueueList, admin.Operator.Queued),
		unaryRoute(pathQueueShow, admin.Operator.QueuedMessage),
		unaryRoute(pathQueueAct, admin.Operator.ActOnQueue),
		unaryRoute(pathDNSRecords, admin.Operator.Records),
		unaryRoute(pathDNSPublish, admin.Operator.Publish),
		unaryRoute(pathDoctor, admin.Operator.Examine),
		streamRoute(pathDoctorRun, admin.Operator.Watch),
		unaryRoute(pathDKIMList, admin.Operator.Keys),
		unaryRoute(pathDKIMRotate, admin.Operator.RotateKeys),
		unaryRoute(pathBanList, admin.Operator.Bans),
		unaryRoute(pathBanRemove, admin.Operator.Unban),
		unaryRoute(pathReports, admin.Operator.Reports),
		unaryRoute(pathTrace, admin.Operator.Trace),
		unaryRoute(pathStatus, admin.Operator.Status),
		unaryRoute(pathCompact, admin.Operator.Compact),
		streamRoute(pathVerify, admin.Operator.Verify),
		unaryRoute(pathCharts, admin.Operator.Charts),
		unaryRoute(pathCertificates, admin.Operator.Certificates),
		unaryRoute(pathNodes, admin.Operator.Nodes),
		unaryRoute(pathLimits, admin.Operator.Limits),
		unaryRoute(pathAudit, admin.Operator.Audit),
		{PathSend, (*Face).send},
		{PathExport, (*Face).export},
	}
}

// Face is one way in to the operations. The zero value of everything but Operator is the UNIX socket's.
type Face struct {
	// Operator does what is asked; it is called for each request.
	Operator func() admin.Operator
	// Without has the paths that are not offered.
	Without []string
	// Check looks at a request, a value of package admin, before it is carried out; its error is the answer. confirm is the request's
	// field of that name, which stands beside those of package admin. nil: nothing is looked at, and the field is as unknown as any other.
	Check func(ctx context.Context, path string, request any, confirm string) error
	// Failure says how an error is told; nil: whole, as to somebody who owns the server.
	Failure func(ctx context.Context, err error) Failure
}

// Handler answers requests with what op does.
func Handler(op admin.Operator) http.Handler {
	return (&Face{Operator: func() admin.Operator { return op }}).Handler()
}

// Handler answers requests.
func (f *Face) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		if !slices.Contains(f.Without, route.Path) {
			mux.HandleFunc("POST "+route.Path, func(w http.ResponseWriter, r *http.Request) { route.serve(f, w, r) })
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.answerError(w, r, mail.Errorf(mail.NotFound, "this server has no operation %s %s; is it older than the command?", r.Method, r.URL.Path))
	})
	return mux
}

// unaryRoute is an operation whose request and reply are each one JSON object.
func unaryRoute[Q, A any](path string, do func(admin.Operator, context.Context, Q) (A, error)) Route {
	return Route{path, func(f *Face, w http.ResponseWriter, r *http.Request) {
		request, ok := read[Q](f, w, r, path)
		if !ok {
			return
		}
		reply, err := do(f.Operator(), r.Context(), request)
		if err != nil {
			f.answerError(w, r, err)
			return
		}
		answer(w, http.StatusOK, reply)
	}}
}

// read takes a request that is one JSON object. Without one it has answered.
func read[Q any](f *Face, w http.ResponseWriter, r *http.Request, path string) (request Q, ok bool) {
	unary(w)
	body := http.MaxBytesReader(w, r.Body, MaxRequest)
	var confirm string
	var err error
	if f.Check == nil {
		err = decode(body, &request)
	} else {
		confirm, err = decodeConfirmed(body, &request)
	}
	if err == nil {
		arrived(w)
		if f.Check != nil {
			err = f.Check(r.Context(), path, request, confirm)
		}
	}
	if err != nil {
		f.answerError(w, r, err)
	}
	return request, err == nil
}
