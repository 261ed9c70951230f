"""The network: public subnets for the daemons, private ones for the functions, isolated ones for the stores."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.constructs.stack import named
from infra.settings import Profile


class Network(Stack):
    """The VPC and all its security groups.

    Attributes:
        vpc: the network.
        functions: security group of the functions in it.
        daemons: security group of the daemons; nothing comes in.
        stores: security group of PostgreSQL and Valkey; in from the two others.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id, **named(profile, id, "network and security groups"))
        self.vpc: ec2.IVpc = ec2.Vpc(self, "Vpc", availability_zones=list(profile.zones), nat_gateways=0)
        self.functions: ec2.ISecurityGroup = ec2.SecurityGroup(self, "Functions", vpc=self.vpc)
        self.daemons: ec2.ISecurityGroup = ec2.SecurityGroup(self, "Daemons", vpc=self.vpc)
        self.stores: ec2.ISecurityGroup = ec2.SecurityGroup(self, "Stores", vpc=self.vpc)
