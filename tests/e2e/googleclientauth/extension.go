// Package googleclientauth makes Google's extension a component of the Collector, as contrib does in its
// googleclientauthextension, which cannot be had.
package googleclientauth

import (
	"github.com/GoogleCloudPlatform/opentelemetry-operations-go/extension/googleclientauthextension"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
)

// NewFactory is what the Collector Builder calls.
func NewFactory() extension.Factory {
	return extension.NewFactory(
		component.MustNewType("googleclientauth"),
		googleclientauthextension.CreateDefaultConfig,
		googleclientauthextension.CreateExtension,
		component.StabilityLevelBeta,
	)
}
