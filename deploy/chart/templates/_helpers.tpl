{{- define "postern.labels" -}}
{{ include "postern.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "postern.selector" -}}
app.kubernetes.io/name: postern-inject
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: postern
{{- end }}

{{- define "postern.provision.labels" -}}
{{ include "postern.provision.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "postern.provision.selector" -}}
app.kubernetes.io/name: postern-provision
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: postern
{{- end }}

{{- define "postern.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end }}
