{{/* The name of the Deployment and of every other object of the release. */}}
{{- define "kato.name" -}}
{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
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
