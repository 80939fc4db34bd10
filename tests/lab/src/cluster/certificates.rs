//! The cluster's certificates, new at each start, and the kubeconfig files made from them.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt as _, path::PathBuf};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::machine::{files::write_private, folders, subnet};

/// The name of the real node, as the node authorizer expects it.
pub(crate) const NODE: &str = "lab";

/// A folder of `<name>.crt`, `<name>.key` and `<name>.kubeconfig`.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

/// The clients of the API server: file name, user name and group.
const CLIENTS: [(&str, &str, Option<&str>); 8] = [
    ("admin", "lab-admin", Some("system:masters")),
    // A name of its own, so that the audit log tells berth's requests from other ones.
    ("worker", "lab-worker", Some("system:masters")),
    ("apiserver-to-kubelet", "kube-apiserver", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("kubelet", "system:node:lab", Some("system:nodes")),
    ("kube-proxy", "system:kube-proxy", None),
    ("kube-router", "lab-kube-router", None),
];

impl Certificates {
    /// Issues the certificates and kubeconfig files of a cluster at `api_server`.
    pub(crate) fn issue(folder: PathBuf, api_server: &str, addresses: &[IpAddr]) -> Result<Self> {
        folders::make(folder.clone())?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let this = Self { folder };
        let authority = authority()?;
        this.write("ca.crt", authority.pem())?;
        this.write("ca.key", authority.key().serialize_pem())?;

        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut reached_at = addresses.to_vec();
        reached_at.push(subnet::KUBERNETES_SERVICE.into());
        this.issue_one(&authority, "apiserver", "kube-apiserver", None, &names, &reached_at)?;
        this.issue_one(&authority, "node", NODE, None, &[NODE], addresses)?;
        for (name, user, group) in CLIENTS {
            let key_and_certificate = this.issue_one(&authority, name, user, group, &[], &[])?;
            this.write_kubeconfig(name, api_server, &authority.pem(), &key_and_certificate)?;
        }

        let service_accounts = KeyPair::generate()?;
        this.write("service-accounts.key", service_accounts.serialize_pem())?;
        this.write("service-accounts.pub", service_accounts.public_key_pem())?;
        Ok(this)
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    pub(crate) fn kubeconfig(&self, client: &str) -> PathBuf {
        self.folder.join(format!("{client}.kubeconfig"))
    }

    fn issue_one(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        name: &str,
        user: &str,
        group: Option<&str>,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<(String, String)> {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority).with_context(|| format!("issuing {name}"))?;
        self.write(&format!("{name}.crt"), certificate.pem())?;
        self.write(&format!("{name}.key"), key.serialize_pem())?;
        Ok((key.serialize_pem(), certificate.pem()))
    }

    fn write_kubeconfig(
        &self,
        name: &str,
        server: &str,
        authority: &str,
        (key, certificate): &(String, String),
    ) -> Result<()> {
        let encode = |pem: &str| STANDARD.encode(pem);
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": encode(authority)}}],
            "users": [{"name": name, "user": {"client-certificate-data": encode(certificate), "client-key-data": encode(key)}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
            "current-context": "lab",
        });
        self.write(&format!("{name}.kubeconfig"), kubeconfig.to_string())
    }

    fn write(&self, file: &str, content: String) -> Result<()> {
        write_private(&self.folder.join(file), &content)
    }
}

/// A server's certificate and key, and the authority that its clients check it with.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl ServerCertificate {
    /// Issues a certificate for an address and a name as providers do: from an intermediate authority, which the server sends,
    /// below an authority that the client has.
    pub(crate) fn issue(address: IpAddr, name: &str) -> Result<Self> {
        let authority = authority()?;
        let intermediate =
            CertifiedIssuer::signed_by(authority_params("berth lab, intermediate"), KeyPair::generate()?, &authority)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &intermediate).with_context(|| format!("issuing {address}"))?;
        let chain = certificate.pem() + &intermediate.pem();
        Ok(Self { authority: authority.pem(), certificate: chain, key: key.serialize_pem() })
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    Ok(CertifiedIssuer::self_signed(authority_params("berth lab"), KeyPair::generate()?)?)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}
