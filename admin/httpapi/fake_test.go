package httpapi_test

import (
	"context"
	"io"
	"sync"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/export"
)

// fake is an operator that notes what it is asked and answers what it was told to.
type fake struct {
	mu      sync.Mutex
	request any
	reply   any
	err     error
	message string // of the latest Send
	verify  func(ctx context.Context, progress func(admin.Progress)) (admin.VerifyReport, error)
	export  func(ctx context.Context, sink export.Sink) error
}

var _ admin.Operator = (*fake)(nil)

func (f *fake) set(reply any, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply, f.err = reply, err
}

func (f *fake) asked() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.request
}

func on[Q, A any](f *fake, r Q) (A, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request = r
	a, _ := f.reply.(A)
	return a, f.err
}

// Send implements admin.MessageOperator.
func (f *fake) Send(_ context.Context, r admin.SendRequest, message io.Reader) (admin.Sent, error) {
	text, err := io.ReadAll(message)
	f.mu.Lock()
	f.message = string(text)
	f.mu.Unlock()
	if err != nil {
		return admin.Sent{}, err
	}
	return on[admin.SendRequest, admin.Sent](f, r)
}

// Verify implements admin.SystemOperator.
func (f *fake) Verify(ctx context.Context, r admin.VerifyRequest, progress func(admin.Progress)) (admin.VerifyReport, error) {
	if f.verify != nil {
		return f.verify(ctx, progress)
	}
	progress(admin.Progress{Stage: "bodies", Done: 1, Total: 2})
	return on[admin.VerifyRequest, admin.VerifyReport](f, r)
}

func (f *fake) AddDomain(_ context.Context, r admin.NewDomain) (admin.Domain, error) {
	return on[admin.NewDomain, admin.Domain](f, r)
}

func (f *fake) Domains(_ context.Context, r admin.Nothing) (admin.DomainList, error) {
	return on[admin.Nothing, admin.DomainList](f, r)
}

func (f *fake) UpdateDomain(_ context.Context, r admin.DomainUpdate) (admin.Domain, error) {
	return on[admin.DomainUpdate, admin.Domain](f, r)
}

func (f *fake) RemoveDomain(_ context.Context, r admin.DomainName) (admin.Domain, error) {
	return on[admin.DomainName, admin.Domain](f, r)
}

func (f *fake) AddAccount(_ context.Context, r admin.NewAccount) (admin.AddedAccount, error) {
	return on[admin.NewAccount, admin.AddedAccount](f, r)
}

func (f *fake) Accounts(_ context.Context, r admin.AccountFilter) (admin.AccountList, error) {
	return on[admin.AccountFilter, admin.AccountList](f, r)
}

func (f *fake) Account(_ context.Context, r admin.AccountName) (admin.AccountDetail, error) {
	return on[admin.AccountName, admin.AccountDetail](f, r)
}

func (f *fake) UpdateAccount(_ context.Context, r admin.AccountUpdate) (admin.Account, error) {
	return on[admin.AccountUpdate, admin.Account](f, r)
}

func (f *fake) SetPassword(_ context.Context, r admin.PasswordChange) (admin.PasswordChanged, error) {
	return on[admin.PasswordChange, admin.PasswordChanged](f, r)
}

func (f *fake) RemoveAccount(_ context.Context, r admin.AccountName) (admin.Account, error) {
	return on[admin.AccountName, admin.Account](f, r)
}

func (f *fake) AddAlias(_ context.Context, r admin.NewAlias) (admin.Alias, error) {
	return on[admin.NewAlias, admin.Alias](f, r)
}

func (f *fake) Aliases(_ context.Context, r admin.AliasFilter) (admin.AliasList, error) {
	return on[admin.AliasFilter, admin.AliasList](f, r)
}

func (f *fake) RemoveAlias(_ context.Context, r admin.AliasName) (admin.Alias, error) {
	return on[admin.AliasName, admin.Alias](f, r)
}

func (f *fake) Queued(_ context.Context, r admin.QueueFilter) (admin.QueueList, error) {
	return on[admin.QueueFilter, admin.QueueList](f, r)
}

func (f *fake) QueuedMessage(_ context.Context, r admin.QueueNumber) (admin.QueueEntry, error) {
	return on[admin.QueueNumber, admin.QueueEntry](f, r)
}

func (f *fake) ActOnQueue(_ context.Context, r admin.QueueAction) (admin.QueueActed, error) {
	return on[admin.QueueAction, admin.QueueActed](f, r)
}

func (f *fake) Trace(_ context.Context, r admin.TraceQuery) (admin.TraceReport, error) {
	return on[admin.TraceQuery, admin.TraceReport](f, r)
}

func (f *fake) Status(_ context.Context, r admin.Nothing) (admin.Status, error) {
	return on[admin.Nothing, admin.Status](f, r)
}

func (f *fake) Compact(_ context.Context, r admin.Nothing) (admin.CompactReport, error) {
	return on[admin.Nothing, admin.CompactReport](f, r)
}

func (f *fake) Records(_ context.Context, r admin.RecordsFor) (admin.RecordList, error) {
	return on[admin.RecordsFor, admin.RecordList](f, r)
}

func (f *fake) Publish(_ context.Context, r admin.RecordsFor) (admin.RecordList, error) {
	return on[admin.RecordsFor, admin.RecordList](f, r)
}

func (f *fake) Examine(_ context.Context, r admin.Examination) (admin.Diagnosis, error) {
	return on[admin.Examination, admin.Diagnosis](f, r)
}

func (f *fake) Keys(_ context.Context, r admin.DomainName) (admin.KeyList, error) {
	return on[admin.DomainName, admin.KeyList](f, r)
}

func (f *fake) RotateKeys(_ context.Context, r admin.DomainName) (admin.Rotation, error) {
	return on[admin.DomainName, admin.Rotation](f, r)
}

func (f *fake) Bans(_ context.Context, r admin.Nothing) (admin.BanList, error) {
	return on[admin.Nothing, admin.BanList](f, r)
}

func (f *fake) Unban(_ context.Context, r admin.BanName) (admin.BanList, error) {
	return on[admin.BanName, admin.BanList](f, r)
}

func (f *fake) Reports(_ context.Context, r admin.ReportFilter) (admin.ReportList, error) {
	return on[admin.ReportFilter, admin.ReportList](f, r)
}

// Export implements admin.ExportOperator.
func (f *fake) Export(ctx context.Context, r admin.ExportRequest, sink export.Sink) error {
	if f.export != nil {
		return f.export(ctx, sink)
	}
	_, err := on[admin.ExportRequest, admin.Nothing](f, r)
	return err
}

func (f *fake) Alias(_ context.Context, r admin.AliasName) (admin.Alias, error) {
	return on[admin.AliasName, admin.Alias](f, r)
}

func (f *fake) CheckAlias(_ context.Context, r admin.NewAlias) (admin.Alias, error) {
	return on[admin.NewAlias, admin.Alias](f, r)
}

func (f *fake) UpdateAlias(_ context.Context, r admin.AliasUpdate) (admin.Alias, error) {
	return on[admin.AliasUpdate, admin.Alias](f, r)
}

func (f *fake) Charts(_ context.Context, r admin.ChartQuery) (admin.Charts, error) {
	return on[admin.ChartQuery, admin.Charts](f, r)
}

func (f *fake) Certificates(_ context.Context, r admin.Nothing) (admin.CertificateList, error) {
	return on[admin.Nothing, admin.CertificateList](f, r)
}

func (f *fake) Nodes(_ context.Context, r admin.Nothing) (admin.NodeList, error) {
	return on[admin.Nothing, admin.NodeList](f, r)
}

func (f *fake) Limits(_ context.Context, r admin.Nothing) (admin.LimitReport, error) {
	return on[admin.Nothing, admin.LimitReport](f, r)
}

func (f *fake) Audit(_ context.Context, r admin.AuditFilter) (admin.AuditList, error) {
	return on[admin.AuditFilter, admin.AuditList](f, r)
}

// Watch implements admin.SystemOperator.
func (f *fake) Watch(_ context.Context, r admin.Examination, progress func(admin.Progress)) (admin.Diagnosis, error) {
	progress(admin.Progress{Stage: "one.test", Done: 1, Total: 2, Finding: &doctor.Finding{Check: "mx", Level: doctor.Fault, Text: "no"}})
	return on[admin.Examination, admin.Diagnosis](f, r)
}
