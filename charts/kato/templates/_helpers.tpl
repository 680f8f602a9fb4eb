{{/* The name of the Deployment and of every other object of the release. */}}
{{- define "kato.name" -}}
{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A name for objects without a namespace: releases of the same name in two namespaces differ. */}}
{{- define "kato.clusterName" -}}
{{ printf "%s:%s" .Release.Namespace (include "kato.name" .) }}
{{- end }}

{{/* Labels that select the operator's pod; the network policies of instances use them, too. */}}
{{- define "kato.selector" -}}
app.kubernetes.io/name: kato-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kato.labels" -}}
{{ include "kato.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: kato
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "kato.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "kato.name" .) }}
{{- end }}

{{- define "kato.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* The restricted Pod Security Standard. */}}
{{- define "kato.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "kato.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Why the CRD cannot be installed: it belongs to another release, or to none. */}}
{{- define "kato.foreignCrd" -}}
{{- $owner := "no release (kubectl or another tool has made it)" }}
{{- if .release }}
{{- $owner = printf "the release %q in the namespace %q" .release .namespace }}
{{- end }}
the CRD {{ .crd }} belongs to {{ $owner }}, not to {{ printf "%q in the namespace %q" .root.Release.Name .root.Release.Namespace }}.
If it is to stay with its owner, who then upgrades it, add: --set crds.install=false
If its owner is gone, or is to give it up, hand it over (no instance is touched), and repeat this command:
  kubectl annotate --overwrite crd {{ .crd }} meta.helm.sh/release-name={{ .root.Release.Name }} meta.helm.sh/release-namespace={{ .root.Release.Namespace }}
  kubectl label --overwrite crd {{ .crd }} app.kubernetes.io/managed-by=Helm
{{- end }}
