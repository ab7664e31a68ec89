// Package azureauth has the settings of contrib's azureauthextension that the templates use, and gets tokens from
// Microsoft's module, as that extension does.
package azureauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
)

// Config is the part of contrib's configuration, by the same names.
type Config struct {
	Managed *struct {
		ClientID string `mapstructure:"client_id"`
	} `mapstructure:"managed_identity"`
	Workload *struct {
		ClientID  string `mapstructure:"client_id"`
		TenantID  string `mapstructure:"tenant_id"`
		TokenFile string `mapstructure:"federated_token_file"`
	} `mapstructure:"workload_identity"`
	Scopes []string `mapstructure:"scopes"`
}

// Validate rejects what contrib's extension rejects.
func (config *Config) Validate() error {
	workload := config.Workload
	if (workload == nil) == (config.Managed == nil) {
		return errors.New("one identity is required")
	}
	if workload != nil && (workload.ClientID == "" || workload.TenantID == "" || workload.TokenFile == "") {
		return errors.New("the workload identity is incomplete")
	}
	return nil
}

// NewFactory is what the Collector Builder calls.
func NewFactory() extension.Factory {
	return extension.NewFactory(
		component.MustNewType("azure_auth"),
		func() component.Config { return &Config{} },
		func(_ context.Context, _ extension.Settings, config component.Config) (extension.Extension, error) {
			return newAuthenticator(config.(*Config))
		},
		component.StabilityLevelAlpha,
	)
}

type authenticator struct {
	credential azcore.TokenCredential
	scopes     []string
}

func newAuthenticator(config *Config) (*authenticator, error) {
	credential, err := newCredential(config)
	return &authenticator{credential, config.Scopes}, err
}

func newCredential(config *Config) (azcore.TokenCredential, error) {
	if workload := config.Workload; workload != nil {
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientID: workload.ClientID, TenantID: workload.TenantID, TokenFilePath: workload.TokenFile,
		})
	}
	return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ID: azidentity.ClientID(config.Managed.ClientID),
	})
}

func (*authenticator) Start(context.Context, component.Host) error { return nil }

func (*authenticator) Shutdown(context.Context) error { return nil }

// RoundTripper makes it an authenticator of HTTP clients.
func (one *authenticator) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return &signer{base, one}, nil
}

type signer struct {
	base http.RoundTripper
	auth *authenticator
}

func (one *signer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := one.auth.credential.GetToken(request.Context(), policy.TokenRequestOptions{Scopes: one.auth.scopes})
	if err != nil {
		return nil, err
	}
	signed := request.Clone(request.Context())
	signed.Header.Set("Authorization", "Bearer "+token.Token)
	return one.base.RoundTrip(signed)
}
